// Retries, errors, keys and streams, with a server of scripted answers.

import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";
import { test } from "node:test";

import { fakeServer, problem } from "./fake_server.mjs";

// The compiled client.
const build = pathToFileURL(`${process.env.VITRINE_CLIENT}/`);
const { Client, ApiError, ConnectionFailed, NotFound, TooManyRequests, Unavailable, VitrineError } = await import(
  new URL("index.js", build)
);
const { parse } = await import(new URL("events.js", build));
const { retryAfterMs } = await import(new URL("retry.js", build));

const HISTORY = { status: 200, body: { "user-id": "ada", products: ["tea"], type: "personalized", as_of: "2026-11-20T10:15:00Z" } };
const ACCEPTED = { status: 202, body: { accepted: 1, token: "t" } };
const BUSY = problem(503, "busy");
const SEARCH = { event_type: "search", user_id: "ada" };

/** Runs `body` with a client of a server that gives these answers. */
async function withServer(answers, body, settings = {}) {
  const server = await fakeServer(...answers);
  const pauses = [];
  const sleep = async (ms) => void pauses.push(ms);
  const retry = { attempts: 4, baseMs: 100, pauseMsMax: 2000, sleep, random: () => 1 };
  try {
    await body(new Client(server.url, { retry, ...settings }), server, pauses);
  } finally {
    await server.close();
  }
}

test("a read is repeated with longer pauses", () =>
  withServer([BUSY, { status: 0 }, BUSY, HISTORY], async (shop, { requests }, pauses) => {
    assert.deepEqual((await shop.getHistory("ada")).products, ["tea"]);
    assert.equal(requests.length, 4);
    assert.deepEqual(pauses, [100, 200, 400]);
  }));

test("attempts are bounded and the last error is thrown", () =>
  withServer([BUSY], async (shop, { requests }) => {
    await assert.rejects(shop.getHistory("ada"), (error) => error instanceof Unavailable && error.slug === "busy");
    assert.equal(requests.length, 4);
  }));

test("Retry-After is the least pause, and a long one is not waited for", async () => {
  const limited = (value) => problem(429, "too-many-requests", {}, { "retry-after": value });
  await withServer([limited("1"), HISTORY], async (shop, _, pauses) => {
    await shop.getHistory("ada");
    assert.deepEqual(pauses, [1000]);
  });
  await withServer([limited("3")], async (shop, { requests }) => {
    await assert.rejects(shop.getHistory("ada"), TooManyRequests);
    assert.equal(requests.length, 1);
  });
  assert.deepEqual([null, "7", "soon", "-1", "Fri, 20 Nov 2015 10:15:00 GMT"].map(retryAfterMs), [0, 7000, 0, 0, 0]);
  assert.ok(retryAfterMs("Fri, 20 Nov 2099 10:15:00 GMT") > 1e12);
});

test("a write is sent once", async () => {
  for (const answer of [BUSY, { status: 0 }]) {
    await withServer([answer], async (shop, { requests }) => {
      await assert.rejects(shop.postEvents(SEARCH), VitrineError);
      assert.equal(requests.length, 1);
    });
  }
});

test("removals and questions are repeated", async () => {
  await withServer([BUSY, { status: 204 }], async (shop, { requests }) => {
    assert.equal(await shop.deleteHistoryProduct("ada", "tea"), undefined);
    assert.deepEqual(requests.map(({ method }) => method), ["DELETE", "DELETE"]);
  });
  await withServer([BUSY, { status: 200, body: { products: [] } }], async (shop, { requests }) => {
    await shop.postVisitorRecommendations({ viewed: ["tea"] });
    assert.equal(requests[1].body, '{"viewed":["tea"]}');
    assert.equal(requests[1].headers["content-type"], "application/json");
  });
});

test("a write with an idempotency key is repeated with the same key", () =>
  withServer([BUSY, { status: 201, body: {} }], async (shop, { requests }) => {
    await shop.request("POST", "/v1/things", "keyed", { body: {} });
    const keys = requests.map(({ headers }) => headers["idempotency-key"]);
    assert.equal(keys.length, 2);
    assert.ok(keys[0].length >= 16 && keys[0] === keys[1]);
  }));

test("a bound of the caller is not waited for twice", () =>
  withServer([problem(503, "not-visible-yet")], async (shop, { requests }) => {
    await assert.rejects(shop.getHistory("ada", { after: "t", waitMs: 5 }), Unavailable);
    assert.deepEqual(requests.map(({ url }) => url), ["/v1/users/ada/history?after=t&wait_ms=5"]);
  }));

test("problems are errors with their members", () =>
  withServer([problem(422, "malformed-event", { index: 3, field: "userid" })], async (shop) => {
    await assert.rejects(shop.postEvents([]), (error) => {
      const { status, slug, index, field, message, name } = error;
      assert.deepEqual([status, slug, index, field, name], [422, "malformed-event", 3, "userid", "InvalidBody"]);
      return error instanceof ApiError && message.includes("a detail");
    });
  }));

test("an error that is no problem has its status and text", async () => {
  const html = { status: 404, body: "<h1>no</h1>", headers: { "content-type": "text/html" } };
  const broken = { status: 404, body: "{", headers: { "content-type": "application/problem+json" } };
  for (const answer of [html, broken]) {
    await withServer([answer], async (shop) => {
      await assert.rejects(shop.getHistory("ada"), (error) => {
        assert.deepEqual([error.slug, error.detail], ["", answer.body]);
        return error instanceof NotFound;
      });
    });
  }
});

test("nobody listens", async () => {
  const server = await fakeServer(HISTORY);
  await server.close();
  const shop = new Client(server.url, { retry: { attempts: 2, sleep: async () => {} } });
  await assert.rejects(shop.getHistory("ada"), (error) => error instanceof ConnectionFailed && error.cause !== undefined);
});

test("ids are encoded once", () =>
  withServer([HISTORY], async (shop, { requests }) => {
    await shop.getHistory("a/b%?#é{user}$&");
    assert.equal(requests.at(-1).url, "/v1/users/a%2Fb%25%3F%23%C3%A9%7Buser%7D%24%26/history");
    await shop.getLegacyHistory({ userId: "é" });
    assert.equal(Buffer.from(requests.at(-1).headers["user-id"], "latin1").toString(), "é");
    for (const id of [".", ".."]) {
      await assert.rejects(shop.getHistory(id), TypeError);
    }
    await assert.rejects(shop.getLegacyHistory({ userId: "a\r\nx-api-key: b" }), TypeError);
  }));

test("parameters are sent only when they are given", () =>
  withServer([HISTORY], async (shop, { requests }) => {
    await shop.getHistory("ada", { limit: 3, explain: true, maxStalenessMs: 0, after: undefined });
    assert.equal(requests[0].url, "/v1/users/ada/history?limit=3&explain=true&max_staleness_ms=0");
  }));

test("the key is sent, and a path before the API is kept", async () => {
  const server = await fakeServer(HISTORY);
  await new Client(`${server.url}/shop/`, { key: "vt_1_secret" }).getHistory("ada");
  await new Client(server.url).getHistory("ada");
  assert.deepEqual(server.requests.map(({ headers }) => headers["x-api-key"]), ["vt_1_secret", undefined]);
  assert.equal(server.requests[0].url, "/shop/v1/users/ada/history");
  await server.close();
  for (const url of ["127.0.0.1:8080", "ftp://127.0.0.1"]) {
    assert.throws(() => new Client(url), TypeError);
  }
});

test("an answer that is cut off is a failed attempt", () =>
  withServer([{ ...HISTORY, headers: { "content-length": "9999" }, cuts: true }, HISTORY], async (shop, { requests }) => {
    assert.deepEqual((await shop.getHistory("ada")).products, ["tea"]);
    assert.equal(requests.length, 2);
  }));

test("the token of the last write is kept", () => {
  const row = { status: 201, body: { product_id: "tea" }, headers: { "vitrine-token": "of-a-row" } };
  return withServer([HISTORY, ACCEPTED, HISTORY, row], async (shop, { requests }) => {
    await shop.getHistory("ada");
    assert.equal(shop.token, undefined);
    await shop.postEvents(SEARCH);
    await shop.getHistory("ada", { after: shop.token });
    assert.deepEqual([shop.token, requests.at(-1).url], ["t", "/v1/users/ada/history?after=t"]);
    await shop.request("POST", "/v1/products", "once", { body: { product_id: "tea" } });
    assert.equal(shop.token, "of-a-row");
  });
});

test("pages are followed to the last one", async () => {
  const page = ({ url }) => {
    const cursor = new URL(url, "http://x").searchParams.get("cursor") ?? "";
    const next_cursor = { "": "1", 1: "2", 2: null }[cursor];
    return { status: 200, body: { items: [`${cursor}a`, `${cursor}b`], next_cursor } };
  };
  const items = (shop) =>
    shop.pages(async (cursor) => {
      const answer = await (await shop.request("GET", "/v1/things", "safe", { inQuery: { cursor } })).json();
      return { items: answer.items, next: answer.next_cursor };
    });
  const all = async (iterable) => {
    const found = [];
    for await (const item of iterable) {
      found.push(item);
    }
    return found;
  };
  await withServer([page], async (shop) => {
    assert.deepEqual(await all(items(shop)), ["a", "b", "1a", "1b", "2a", "2b"]);
  });
  await withServer([{ status: 200, body: { items: [], next_cursor: "same" } }], async (shop) => {
    await assert.rejects(all(items(shop)), VitrineError);
  });
});

test("events of a stream", async () => {
  const text = ': hello\nretry: 5\n\nevent: status\nid: 7\ndata: {"a":\ndata: 1}\n\ndata:é\n\ndata: cut';
  const expected = [
    { type: "status", id: "7", data: '{"a":\n1}' },
    { type: "message", id: "7", data: "é" },
  ];
  await withServer([{ status: 200, body: text, headers: { "content-type": "text/event-stream" } }], async (shop) => {
    const found = [];
    for await (const event of shop.getStream()) {
      found.push(event);
    }
    assert.deepEqual(found, expected);
  });
  // However the bytes are cut.
  async function* byByte() {
    for (const byte of Buffer.from(text.replaceAll("\n", "\r\n"))) {
      yield Uint8Array.of(byte);
    }
  }
  const found = [];
  for await (const event of parse(byByte())) {
    found.push(event);
  }
  assert.deepEqual(found, expected);
  await withServer([BUSY], (shop) => assert.rejects(shop.getStream().next(), Unavailable));
});
