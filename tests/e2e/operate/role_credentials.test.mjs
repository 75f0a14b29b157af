// Credentials of a role: services of an instance and of a container, played here, give temporary credentials of Ceph's gateway.
import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import { test } from "node:test";
import { fileStore, TEMPORARY_KEYS, withoutCeph } from "../support/ceph.mjs";
import { importFrames, json, tapedeck, temporary } from "../support/harness.mjs";

const skip = withoutCeph;
const store = fileStore("role", {
  settings: TEMPORARY_KEYS,
  begin: () => store.makeBucket("role"),
});

async function serve(t, answer) {
  const server = http.createServer(answer);
  t.after(() => server.close());
  await once(server.listen(0, "127.0.0.1"), "listening");
  return `http://127.0.0.1:${server.address().port}`;
}

const ROLES = "/latest/meta-data/iam/security-credentials/";

/** The instance metadata service and a container's service. given: the credentials that were given, the latest last. */
async function roleService(t, expiresMs) {
  const given = [];
  const url = await serve(t, async ({ method, url, headers }, response) => {
    const isInstance = headers["x-aws-ec2-metadata-token"] === "of-the-service" && method === "GET";
    if (method === "PUT" && url === "/latest/api/token")
      response.end(headers["x-aws-ec2-metadata-token-ttl-seconds"] ? "of-the-service" : "");
    else if (isInstance && url === ROLES) response.end("tape-role");
    else if (
      (isInstance && url === `${ROLES}tape-role`) ||
      (url === "/container" && headers.authorization === "of-the-container")
    ) {
      const keys = await store.temporaryKeys();
      const Expiration = new Date(
        Date.now() + expiresMs[Math.min(given.length, expiresMs.length - 1)]
      );
      given.push(keys);
      response.end(JSON.stringify({ Code: "Success", ...keys, Expiration }));
    } else response.writeHead(401).end();
  });
  return { given, url };
}

const HOUR_MS = 3_600_000;
/** Without keys of the environment and of a profile. */
const variables = (more) => ({
  AWS_ENDPOINT_URL: store.url,
  AWS_REGION: "us-east-1",
  AWS_SHARED_CREDENTIALS_FILE: "/nonexistent",
  ...more,
});

const anArchive = (t) =>
  importFrames(t, temporary(t), {
    family: "v5-linear",
    host: "/v5/public/linear",
    frames: ["1", "2"].map(
      (id) =>
        `{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1795154400000,"data":[{"T":1795154400000,"s":"BTCUSDT","S":"Buy","v":"1","p":"1","i":"${id}","BT":false}]}`
    ),
  });

test("an instance's role pushes, a container's role reads", { skip }, async (t) => {
  const service = await roleService(t, [HOUR_MS]);
  const archive = await anArchive(t);
  const instance = variables({ AWS_EC2_METADATA_SERVICE_ENDPOINT: service.url });
  const pushed = await json(t, ["push", archive, "s3://role/a", "--json", "-v"], { env: instance });
  assert.equal(pushed.manifest, 1);
  const file = path.join(temporary(t), "token");
  fs.writeFileSync(file, "of-the-container\n");
  for (const more of [
    { AWS_CONTAINER_AUTHORIZATION_TOKEN: "of-the-container" },
    { AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: file },
  ]) {
    const container = { AWS_CONTAINER_CREDENTIALS_FULL_URI: `${service.url}/container`, ...more };
    const { stdout, stderr } = await tapedeck(t, ["cat", "s3://role/a", "--raw", "-v"], {
      env: variables(container),
    });
    assert.equal(stdout, (await tapedeck(t, ["cat", archive, "--raw"])).stdout);
    for (const { SecretAccessKey, Token } of service.given)
      assert.ok(!stderr.includes(SecretAccessKey) && !stderr.includes(Token));
  }
  assert.equal(service.given.length, 3);
});

test("credentials that expire during a push are renewed", { skip }, async (t) => {
  const service = await roleService(t, [1000, HOUR_MS]);
  const archive = await anArchive(t);
  const used = new Set();
  // Passes requests on. It is busy until the first credentials have been renewed.
  const gateway = await serve(t, async (request, response) => {
    const token = request.headers["x-amz-security-token"];
    used.add(token);
    const body = Buffer.concat(await request.toArray());
    if (service.given.length < 2) return response.writeHead(503).end();
    if (token !== service.given[1].Token) return response.writeHead(403).end();
    const { method, headers, url } = request;
    const passed = http.request(`${store.url}${url}`, {
      method,
      headers: { ...headers, expect: [] },
    });
    passed.end(body);
    const [reply] = await once(passed, "response");
    reply.pipe(response.writeHead(reply.statusCode, reply.headers));
  });
  const pushed = await json(t, ["push", archive, "s3://role/b", "--json"], {
    env: variables({ AWS_ENDPOINT_URL: gateway, AWS_EC2_METADATA_SERVICE_ENDPOINT: service.url }),
  });
  assert.equal(pushed.manifest, 1);
  assert.deepEqual(
    [...used],
    service.given.map(({ Token }) => Token)
  );
  const read = ["cat", "s3://role/b", "--raw"];
  const { stdout } = await tapedeck(t, read, { env: store.environment });
  assert.equal(stdout, (await tapedeck(t, ["cat", archive, "--raw"])).stdout);
});

test("without a service, the error has all that was asked for", async (t) => {
  const env = {
    AWS_SHARED_CREDENTIALS_FILE: "/nonexistent",
    AWS_EC2_METADATA_SERVICE_ENDPOINT: "http://127.0.0.1:1",
  };
  const archive = await anArchive(t);
  const { stderr } = await tapedeck(t, ["push", archive, "s3://role/c"], { env, status: 2 });
  assert.match(
    stderr,
    /AWS_ACCESS_KEY_ID is not set, and '\/nonexistent' has no keys of profile 'default': the instance's role: no connection to http:\/\/127\.0\.0\.1:1[^]*hint: set AWS_ACCESS_KEY_ID/
  );
});
