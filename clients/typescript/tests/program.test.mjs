// The client and its example with the real program, whose address is in VITRINE_URL.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { test } from "node:test";

const index = new URL("index.js", pathToFileURL(`${process.env.VITRINE_CLIENT}/`));
const { Client, BadRequest, InvalidBody, NotFound, Unauthorized } = await import(index);

const url = process.env.VITRINE_URL ?? "";
const key = process.env.VITRINE_KEY;
const shop = new Client(url || undefined, { key });
const withProgram = { skip: url === "" && "VITRINE_URL names no program" };

/** The example in a document. */
async function example(document) {
  const text = await readFile(new URL(`../../../${document}`, import.meta.url), "utf8");
  return /```typescript\n(.*?)```/s.exec(text)[1];
}

test("the documents have the same example of five lines", async () => {
  const text = await example("clients/typescript/README.md");
  assert.equal(text, await example("docs/clients.md"));
  assert.ok(text.trim().split("\n").length <= 5);
});

test("the example runs", withProgram, async (context) => {
  const text = (await example("docs/clients.md")).replace('"http://127.0.0.1:8080"', JSON.stringify(url) + `, { key: ${JSON.stringify(key)} }`);
  const printed = context.mock.method(console, "log", () => {});
  await import(`data:text/javascript,${encodeURIComponent(text.replace('"vitrine-client"', JSON.stringify(index.href)))}`);
  assert.ok(printed.mock.calls[0].arguments[0].includes("product-1"));
});

test("a write is read with its token and removed", withProgram, async () => {
  for (const [user, product] of [["typescript", "p-1"], ["ts/%2F é😀", "a/b?c#d%"], ["t".repeat(256), "b"]]) {
    const { token } = await shop.postEvents({ event_type: "view", user_id: user, product_id: product });
    const history = await shop.getHistory(user, { after: token, limit: 1, explain: true });
    assert.deepEqual([history["user-id"], history.products], [user, [product]]);
    await shop.deleteHistoryProduct(user, product);
    assert.deepEqual((await shop.getHistory(user)).products, []);
    const again = shop.deleteHistoryProduct(user, product);
    await assert.rejects(again, (error) => error instanceof NotFound && error.slug === "not-in-history");
  }
});

test("ids in headers", withProgram, async () => {
  const { token } = await shop.postEvents({ event_type: "view", user_id: "ü-header", product_id: "p-1" });
  await shop.getHistory("ü-header", { after: token });
  assert.deepEqual((await shop.getLegacyHistory({ userId: "ü-header" })).products, ["p-1"]);
});

test("lists", withProgram, async () => {
  const { products } = await shop.getBestsellers({ limit: 3 });
  assert.equal(products.length, 3);
  const { category } = (await shop.getCategories()).categories[0];
  assert.ok((await shop.getCategoryBestsellers(category)).products.length > 0);
  assert.ok(Array.isArray((await shop.getRecommendations("nobody")).products));
  const question = { viewed: [products[0].product], context: "product", limit: 2 };
  assert.ok((await shop.postVisitorRecommendations(question)).products.length <= 2);
});

test("errors", withProgram, async () => {
  const isError = (kind, slug) => (error) => error instanceof kind && error.slug === slug;
  await assert.rejects(shop.getBestsellers({ limit: 0 }), isError(BadRequest, "bad-parameter"));
  await assert.rejects(shop.getCategoryBestsellers("nope"), isError(NotFound, "unknown-category"));
  const events = [{ event_type: "search", user_id: "ada" }, { event_type: "search", user_id: "" }];
  await assert.rejects(shop.postEvents(events), (error) => {
    assert.deepEqual([error.index, error.field], [1, "user_id"]);
    return error instanceof InvalidBody;
  });
});

test("a key that is missing or wrong", { skip: withProgram.skip || (key === undefined && "the program asks for no key") }, async () => {
  for (const wrong of [undefined, "vt_1_wrong"]) {
    const other = new Client(url, { key: wrong });
    await assert.rejects(other.getBestsellers(), Unauthorized);
    assert.ok((await other.getLivez()).live);
  }
});

test("operations", withProgram, async () => {
  assert.ok((await shop.getLivez()).live && (await shop.getReadyz()).ready);
  assert.ok((await shop.getMetrics()).includes("vitrine_ready"));
  for await (const event of shop.getStream()) {
    assert.equal(event.type, "status");
    assert.equal(JSON.parse(event.data).version, (await shop.getStatus()).version);
    break;
  }
});
