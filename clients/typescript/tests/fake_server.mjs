// A server of scripted answers, on loopback.

import { createServer } from "node:http";

/**
 * Gives the answers in order and the last one from then on, and keeps the requests. A status of 0 closes the
 * connection, and `cuts` closes it after the body, which may be shorter than the header says.
 */
export async function fakeServer(...answers) {
  const requests = [];
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) {
      chunks.push(chunk);
    }
    const { method, url, headers } = request;
    const seen = { method, url, headers, body: Buffer.concat(chunks).toString() };
    requests.push(seen);
    const next = answers.length > 1 ? answers.shift() : answers[0];
    const answer = typeof next === "function" ? next(seen) : next;
    if (answer.status === 0) {
      request.socket.destroy();
      return;
    }
    response.writeHead(answer.status, { "content-type": "application/json", ...answer.headers });
    if (answer.cuts) {
      response.write(JSON.stringify(answer.body), () => request.socket.end());
      return;
    }
    response.end(answer.body === undefined || typeof answer.body === "string" ? answer.body : JSON.stringify(answer.body));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${server.address().port}`;
  const close = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return { url, requests, close };
}

export function problem(status, slug, members = {}, headers = {}) {
  const body = { type: `urn:vitrine:problem:${slug}`, title: slug, status, detail: "a detail", ...members };
  return { status, body, headers: { "content-type": "application/problem+json", ...headers } };
}
