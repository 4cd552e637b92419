// One file to the server, with the share that has arrived: fetch tells nothing of it, so the old request does this.
import { failure, token } from "./api";

export function bring(file: File, hear: (share: number) => void): Promise<void> {
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    request.open("PUT", `/api/inbox/${encodeURIComponent(file.name)}`);
    request.setRequestHeader("authorization", `Bearer ${token()}`);
    request.upload.onprogress = (event) => hear(event.lengthComputable && event.total ? event.loaded / event.total : 0);
    request.onerror = () => failed(new TypeError(file.name));
    request.onload = () => {
      if (request.status < 300) done();
      else failed(failure(request.status, parsed(request.responseText)));
    };
    request.send(file);
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
