// A proxy for an S3 store whose lists show older times, because a store sets the times of objects itself; and which holds
// requests, so that a program can be killed at one.
import { once } from "node:events";
import http from "node:http";

const DAY_MS = 86_400_000;

/** Starts a proxy for the store at url. days(key): how much older an object is to appear; hold(method, path): a promise that
 * a request waits for. Both may be replaced at any time. */
export async function agedStore(t, url) {
  const store = { days: () => 0, hold: async () => {} };
  const age = (whole, key, time) =>
    `<Key>${key}</Key><LastModified>${new Date(Date.parse(time) - store.days(key) * DAY_MS).toISOString()}<`;
  const server = http.createServer(async (request, response) => {
    const { expect: _, ...headers } = request.headers;
    await store.hold(request.method, request.url);
    const to = http.request(url + request.url, { method: request.method, headers });
    request.pipe(to);
    const [from] = await once(to, "response");
    if (!request.url.includes("list-type=2")) {
      response.writeHead(from.statusCode, from.headers);
      from.pipe(response);
      return;
    }
    const text = Buffer.concat(await from.toArray()).toString();
    response.writeHead(from.statusCode);
    response.end(text.replace(/<Key>([^<]*)<\/Key><LastModified>([^<]*)</g, age));
  });
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  store.url = `http://127.0.0.1:${server.address().port}`;
  return store;
}
