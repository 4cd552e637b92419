"""Each defence with the attack it stands against."""

from __future__ import annotations

import stat
import time
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from gemel.serve.app import create_app
from gemel.serve.run import Address
from gemel.serve.security import CSP, TRIES, Devices
from tests.twins import twin_config, twin_workspace

ASK = {"model": "thomas-voice", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 2}


def test_every_route_wants_a_token(app: FastAPI) -> None:
    """Another user of the machine, or a page that got past the origin checks."""
    stranger = TestClient(app, base_url="http://localhost")
    seen = 0
    for path, methods in app.openapi()["paths"].items():
        for method in methods:
            place = path.replace("{", "").replace("}", "")
            answer = stranger.request(method, place, json={})
            if path not in ("/health", "/api/pair"):
                assert answer.status_code == 401, (method, path)
                assert answer.headers["www-authenticate"] == "Bearer"
                seen += 1
    assert seen > 30
    for path in ("/metrics", "/api/openapi.json", "/docs", "/nothing"):
        assert stranger.get(path).status_code == 401
    assert stranger.get("/health").json() == {"status": "ok"}
    wrong = {"authorization": "Bearer gemel-guess"}
    assert stranger.get("/api/twin", headers=wrong).status_code == 401


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "169.254.169.254", "", "127.0.0.1.nip.io:8484"]
)
def test_dns_rebinding(client: TestClient, host: str) -> None:
    """A name of the attacker's that resolves to 127.0.0.1 makes their page same-origin with us."""
    assert client.get("/", headers={"host": host}).status_code == 421
    assert client.get("/v1/models", headers={"host": host}).status_code == 421


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:9999"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_cross_site_requests(client: TestClient, headers: dict[str, str]) -> None:
    """A no-cors POST from any page reaches a loopback server without a preflight."""
    answer = client.post("/v1/chat/completions", json=ASK, headers=headers)
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers
    assert client.post("/api/pair", json={"code": "AAAAAAAA"}, headers=headers).status_code == 403
    preflight = client.options("/v1/chat/completions", headers=headers | {"access-control-request-method": "POST"})
    assert preflight.status_code == 403


def test_the_own_page_passes(client: TestClient) -> None:
    headers = {"origin": "http://localhost", "sec-fetch-site": "same-origin"}
    assert client.get("/api/twin", headers=headers).status_code == 200


def test_guessing_pairing_codes(tmp_path: Path) -> None:
    devices = Devices(tmp_path / "devices.json")
    code = devices.code()
    for _ in range(TRIES):
        assert devices.pair("WRONGAAA", "x") is None
    assert devices.pair(code, "x") is None  # too many guesses: every waiting code is void
    code = devices.code(["chat"])
    device, token = devices.pair(code.lower(), "a phone") or pytest.fail("the code should work")
    assert device.scopes == ("chat",)
    assert devices.pair(code, "again") is None  # works once
    assert devices.by_token(token) == device or devices.by_token(token).id == device.id  # type: ignore[union-attr]


def test_codes_expire(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    devices = Devices(tmp_path / "devices.json")
    code = devices.code()
    later = time.monotonic() + 601
    monkeypatch.setattr("gemel.serve.security.time.monotonic", lambda: later)
    assert devices.pair(code, "x") is None


def test_a_stolen_file_holds_no_token(tmp_path: Path) -> None:
    devices = Devices(tmp_path / "devices.json")
    _, token = devices.add("x", ["chat"])
    assert token not in (tmp_path / "devices.json").read_text(encoding="utf-8")
    assert token.removeprefix("gemel-") not in (tmp_path / "devices.json").read_text(encoding="utf-8")
    assert stat.S_IMODE((tmp_path / "devices.json").stat().st_mode) == 0o600


def test_scopes_and_revocation(app: FastAPI) -> None:
    """A program that was given a key to talk tries to do more; a lost phone."""
    device, token = app.state.devices.add("a program", ["chat"])
    limited = TestClient(app, base_url="http://localhost", headers={"authorization": f"Bearer {token}"})
    assert limited.post("/v1/chat/completions", json=ASK).status_code == 200
    for method, path in [
        ("GET", "/api/devices"),
        ("GET", "/api/people"),
        ("POST", "/api/jobs"),
        ("GET", "/api/conversations"),
        ("GET", "/api/privacy"),
        ("GET", "/metrics"),
        ("GET", "/api/reports"),
        ("PUT", "/api/inbox/x.zip"),
    ]:
        body = {"kind": "train"} if path == "/api/jobs" else None
        assert limited.request(method, path, json=body).status_code == 403, path
    owner = TestClient(
        app,
        base_url="http://localhost",
        headers={"authorization": f"Bearer {app.state.devices.add('o', ['admin'])[1]}"},
    )
    assert owner.delete(f"/api/devices/{device.id}").json() == {"done": True}
    assert limited.get("/v1/models").status_code == 401


def test_names_are_shown_to_the_owner_only(app: FastAPI, client: TestClient) -> None:
    from gemel.privacy.vault import Vault

    workspace = app.state.house.workspace
    vault = Vault(workspace.vault_path)
    stands = vault.pseudonym("name", "Thomas", entity="p1")
    vault.close()
    app.state.house.display = type(app.state.house.display)(workspace, app.state.house.config)
    shown: list[str] = []

    def outward(text: str) -> str:
        shown.append(text)
        return text.replace(stands, "Thomas")

    app.state.house.display.outward = outward
    program = app.state.devices.add("a program", ["chat"])[1]
    client.post("/v1/chat/completions", json=ASK, headers={"authorization": f"Bearer {program}"})
    assert not shown
    client.post("/v1/chat/completions", json=ASK)
    assert shown


def test_large_bodies(client: TestClient) -> None:
    """Filling memory: with a length, and without one (chunked)."""
    big = b"x" * (2**20 + 1)
    assert client.post("/v1/chat/completions", content=big).status_code == 413

    def chunks():  # type: ignore[no-untyped-def]
        for _ in range(20):
            yield b"x" * 100_000

    assert client.post("/v1/chat/completions", content=chunks()).status_code == 413
    assert client.post("/v1/models", headers={"content-length": "-5"}).status_code == 400
    endless = client.put("/api/inbox/x.zip", content=b"x", headers={"content-length": str(2**33 + 1)})
    assert endless.status_code == 413  # an upload is larger than anything else and has a cap too


@pytest.mark.parametrize(
    "name", ["..%2F..%2Fgemel.toml", ".hidden", "a%2Fb.zip", "a%5Cb.zip", "nul%00l", "con:stream", ".."]
)
def test_uploads_stay_in_their_folder(app: FastAPI, client: TestClient, name: str) -> None:
    before = {p for p in app.state.house.workspace.root.rglob("*") if "uploads" not in p.parts}
    assert client.put(f"/api/inbox/{name}", content=b"x").status_code in (400, 404, 405)
    assert {p for p in app.state.house.workspace.root.rglob("*") if "uploads" not in p.parts} <= before | set()


def test_static_files_stay_in_their_folder(client: TestClient) -> None:
    for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static//etc/passwd"):
        assert client.get(path).status_code in (401, 404)


def test_every_answer_is_headed(client: TestClient) -> None:
    """Scripts, styles and images from elsewhere; framing; sniffing; passing a twin off as the person."""
    for path in ("/", "/static/page.js", "/v1/models", "/health", "/api/nothing"):
        headers = client.get(path).headers
        assert headers["content-security-policy"] == CSP
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-gemel-disclosure"].startswith("AI imitation of")
    for directive in ("default-src 'none'", "script-src 'self'", "require-trusted-types-for 'script'"):
        assert directive in CSP
    page = client.get("/").text
    assert "<script src=" in page
    assert "style=" not in page
    assert "onclick" not in page
    assert "http:" not in page
    assert "https:" not in page
    assert "innerHTML" not in client.get("/static/page.js").text


def test_errors_tell_nothing_that_was_written(client: TestClient) -> None:
    canary = "zq-canary-7341"
    body = ASK | {"messages": [{"role": "user", "content": canary}], canary: 1}
    answer = client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 400
    bad = ASK | {"messages": [{"role": canary, "content": canary}]}
    assert canary not in client.post("/v1/chat/completions", json=bad).text
    assert canary not in client.post("/v1/chat/completions", content=f'{{"{canary}').text


def test_only_loopback_is_loopback() -> None:
    assert Address("127.0.0.1", 0).loopback
    assert Address("::1", 0).loopback
    assert not Address("0.0.0.0", 0).loopback
    assert "evil" not in Address("0.0.0.0", 0).hosts


def test_the_command_refuses_other_addresses(tmp_path: Path) -> None:
    import subprocess
    import sys

    workspace = twin_workspace(tmp_path, run=False)
    workspace.config_path.write_text(f'[model]\nbase = "{tmp_path / "base"}"\nembedder = "hash"\n', encoding="utf-8")
    command = [sys.executable, "-m", "gemel", "serve", "--twin", str(workspace.root), "--host", "0.0.0.0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert "--allow-remote" in done.stderr


def test_refused_requests_do_not_load_the_model(tmp_path: Path) -> None:
    app = create_app(twin_workspace(tmp_path), twin_config(tmp_path))
    TestClient(app, base_url="http://localhost").post("/v1/chat/completions", json=ASK)
    assert app.state.house.loaded is None
