// Orders of each exchange: `latency` joins the requests of a made-up session with answers and updates, and `serve` answers a client's
// orders with the recorded answers, under the client's ids, on a connection that gets data, too.
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { eventually, json, listening, temporary } from "../support/harness.mjs";
import * as npm from "../support/npm_packages.mjs";
import { imported } from "../support/order_entry.mjs";
import { linesOf, SESSIONS } from "../support/orders_of_exchanges.mjs";

const archiveOf = (t, session) => imported(t, temporary(t), linesOf(session), { own: session.url });

const idOf = ({ key }, frame) => String(JSON.parse(frame)[key]);
/** The frame with another id, of the same type. */
const withId = ({ key }, frame, id) => {
  const parsed = JSON.parse(frame);
  return { ...parsed, [key]: typeof parsed[key] === "number" ? Number(id) : id };
};
const ms = (from, to) => (to === null ? null : Math.round((to - from) / 1e6));

for (const [name, session] of Object.entries(SESSIONS)) {
  test(`latency joins orders of ${name}`, async (t) => {
    const found = await json(t, ["latency", await archiveOf(t, session), "--json"]);
    const { requests, refused, unanswered, without_update, unasked } = found;
    const rows = found.orders.map((row) => [
      row.op,
      row.request_id,
      row.order_id,
      row.code,
      ms(row.sent_ns, row.answer_ns),
      ms(row.sent_ns, row.update_ns),
    ]);
    assert.deepEqual(
      rows.map((row) => JSON.stringify(row)).sort(),
      session.orders.map((row) => JSON.stringify(row)).sort()
    );
    assert.deepEqual({ requests, refused, unanswered, without_update, unasked }, session.totals);
  });

  for (const how of [
    ["--speed", "max"],
    ["--causal", "--json"],
  ])
    npm.test(`serve ${how[0]} answers orders of ${name}`, (t) => checkServed(t, session, how));
}

/** A client that logs in, subscribes, and sends each recorded request with another id gets everything. */
async function checkServed(t, session, how) {
  const dir = temporary(t);
  const { url, program } = await listening(
    t,
    ["serve", await archiveOf(t, session), "--plain", ...how],
    dir
  );
  const { WebSocket } = npm.npm("ws");
  const client = new WebSocket(url + session.path);
  const got = [];
  client.on("message", (bytes) => got.push(JSON.parse(String(bytes))));
  const closed = once(client, "close");
  await once(client, "open");
  for (const request of [session.login, session.subscribe].filter((text) => text !== undefined)) {
    const before = got.length;
    client.send(request);
    await eventually("an answer", () => got.length > before);
  }
  // Each request, with another id: its recorded answer has that id, though it was sent before.
  const of = (dir) => session.frames.filter(([, way]) => way === dir).map(([, , data]) => data);
  const answers = session.orders.map(([, id]) => id).filter((id, i, all) => all.indexOf(id) === i);
  for (const id of answers) {
    const ask = of("out").find((frame) => idOf(session, frame) === id);
    const recorded = of("in").find((frame) => idOf(session, frame) === id);
    client.send(JSON.stringify(withId(session, ask, `${id}0`)));
    const expected = withId(session, recorded, `${id}0`);
    await eventually(`the answer to ${id}`, () =>
      got.some((frame) => JSON.stringify(frame) === JSON.stringify(expected))
    );
  }
  const updates =
    session.subscribe === undefined
      ? []
      : of("in").filter((frame) => !answers.includes(idOf(session, frame)));
  await eventually("the updates", () =>
    updates.every((frame) =>
      got.some((other) => JSON.stringify(other) === JSON.stringify(JSON.parse(frame)))
    )
  );
  await closed;
  const { stdout } = await program.kill("SIGTERM");
  if (how[0] !== "--causal") return;
  const counts = JSON.parse(stdout);
  assert.deepEqual([counts.unsent, counts.unrecorded], [0, 0]);
  assert.ok(counts.caused >= answers.length, `${counts.caused} of ${answers.length}`);
}
