// Heartbeats that a client asks for (`heartbeats` of a dialect): the simulator sends them, and closes a connection that does not
// answer. The family is Deribit's, with a shorter least time between two of them.
import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { eventually, listening, temporary } from "../support/harness.mjs";
import { npm, test } from "../support/npm_packages.mjs";

const { WebSocket } = npm("ws");

test("Deribit: a test_request comes as often as asked for, and must be answered", async (t) => {
  const dir = temporary(t);
  for (const kind of ["yaml", "exchange.yaml"]) {
    const text = fs.readFileSync(`schema/deribit/deribit.${kind}`, "utf8");
    fs.writeFileSync(
      path.join(dir, `copy.${kind}`),
      text
        .replace("least_s: 10", "least_s: 1")
        .replace(/^((?:family|exchange): |  - )deribit$/gm, "$1copy")
    );
  }
  const server = await listening(
    t,
    ["sim", "--families", `${dir}/`, "--plain", "--rate", "1"],
    temporary(t)
  );
  const client = new WebSocket(`${server.url}/ws/api/v2`);
  const got = [];
  client.on("message", (data) => got.push(JSON.parse(data)));
  await once(client, "open");
  const ask = (id, method, params) =>
    client.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
  const tested = () => got.filter(({ params }) => params?.type === "test_request").length;
  const answerTo = async (id) => {
    await eventually("an answer", () => got.some((frame) => frame.id === id));
    return got.find((frame) => frame.id === id);
  };
  ask(1, "public/set_heartbeat", { interval: 0 });
  assert.equal((await answerTo(1)).error.code, -32602);
  ask(2, "public/set_heartbeat", { interval: 5 }); // a busy machine has as long for its answers
  assert.equal((await answerTo(2)).result, "ok");
  for (let n = 1; n <= 2; n++) {
    await eventually("a test_request", () => tested() === n);
    ask(10 + n, "public/test", {});
    assert.equal(typeof (await answerTo(10 + n)).result.version, "string");
  }
  ask(3, "public/disable_heartbeat", {});
  assert.equal((await answerTo(3)).result, "ok");
  const before = tested();
  // While another client is tested, and closed because it does not answer, this one is not.
  const other = new WebSocket(`${server.url}/ws/api/v2`);
  await once(other, "open");
  other.send('{"id":1,"method":"public/set_heartbeat","params":{"interval":1}}');
  assert.deepEqual((await once(other, "close"))[0], 4000);
  assert.equal(tested(), before);
  ask(4, "public/set_heartbeat", { interval: 1 });
  const [code] = await once(client, "close");
  assert.deepEqual([code, tested()], [4000, before + 1]);
});
