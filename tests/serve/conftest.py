"""A server in the test's process, and one on a real port for clients that need one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from gemel.serve.app import STATIC, create_app
from tests.serve.live import live_server
from tests.twins import twin_config, twin_workspace


@pytest.fixture(name="app", scope="module")
def _app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    root = tmp_path_factory.mktemp("serve")
    return create_app(twin_workspace(root), twin_config(root), folder=STATIC)


@pytest.fixture(name="token", scope="module")
def _token(app: FastAPI) -> str:
    return str(app.state.devices.add("tests", ("chat", "names", "train", "admin"))[1])


@pytest.fixture(name="client", scope="module")
def _client(app: FastAPI, token: str) -> Iterator[TestClient]:
    with TestClient(app, base_url="http://localhost", headers={"authorization": f"Bearer {token}"}) as client:
        yield client


@pytest.fixture(name="address", scope="module")
def _address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """(base address, token) of a server on a real port."""
    root = tmp_path_factory.mktemp("live")
    app = create_app(twin_workspace(root), twin_config(root), folder=STATIC)
    token = app.state.devices.add("tests", ("chat", "names"))[1]
    with live_server(app) as base:
        yield base, token
