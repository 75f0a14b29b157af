// A real S3 store on this machine: Ceph's monitor, one OSD and its S3 gateway in a temporary folder, on loopback. Debian's
// packages: ceph-mon, ceph-osd, radosgw. They start only as root.
import { execFile } from "node:child_process";
import { createHash, createHmac, randomUUID } from "node:crypto";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { after, before } from "node:test";
import { promisify } from "node:util";
import { eventually, wholeFile } from "./harness.mjs";

const run = promisify(execFile);

const isInstalled = (name) =>
  ["/usr/bin", "/usr/local/bin"].some((dir) => fs.existsSync(path.join(dir, name)));

/** Reason to skip a test that needs cephStore(), or false. */
export const withoutCeph =
  process.getuid() !== 0
    ? "needs root, to start Ceph"
    : ["ceph-mon", "ceph-osd", "radosgw"].every(isInstalled)
      ? false
      : "needs the packages ceph-mon, ceph-osd and radosgw";

const KEY_ID = "testkey";
const SECRET = "testsecret";
const REGION = "us-east-1";

/** A port P that is free together with P - 10: the gateway's and the monitor's. */
async function freePorts() {
  for (;;) {
    const servers = [net.createServer(), net.createServer()];
    try {
      servers[0].listen(0, "127.0.0.1");
      await once(servers[0], "listening");
      const { port } = servers[0].address();
      servers[1].listen(port - 10, "127.0.0.1");
      await once(servers[1], "listening");
      return port;
    } catch (error) {
      if (error.code !== "EADDRINUSE") throw error;
    } finally {
      servers.forEach((server) => server.close());
    }
  }
}

function configuration(dir, port, more) {
  const settings = {
    fsid: randomUUID(),
    mon_host: `v1:127.0.0.1:${port - 10}`,
    public_addr: "127.0.0.1",
    auth_cluster_required: "none",
    auth_service_required: "none",
    auth_client_required: "none",
    osd_pool_default_size: 1,
    osd_pool_default_min_size: 1,
    osd_pool_default_pg_num: 4,
    osd_crush_chooseleaf_type: 0,
    mon_allow_pool_size_one: true,
    mon_data: path.join(dir, "mon"),
    osd_data: path.join(dir, "osd"),
    run_dir: path.join(dir, "run"),
    admin_socket: path.join(dir, "run/$name.asok"),
    pid_file: path.join(dir, "run/$name.pid"),
    log_file: path.join(dir, "run/$name.log"),
    // Small: a test's objects, not a cluster's.
    bluestore_block_size: 4 * 2 ** 30,
    bluestore_block_create: true,
    bluestore_fsck_on_mount: false,
    bluestore_cache_autotune: false,
    bluestore_cache_size: 64 * 2 ** 20,
    osd_memory_target: 896 * 2 ** 20,
    // Without it, replies wait 40 ms for an acknowledgement.
    rgw_frontends: `beast endpoint=127.0.0.1:${port} tcp_nodelay=1`,
    ...more,
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
  return { fsid: settings.fsid, text: `[global]\n${lines.join("")}` };
}

/** Settings of a store that gives temporary credentials. It tells less about wrong ones. */
export const TEMPORARY_KEYS = { rgw_s3_auth_use_sts: true, rgw_sts_key: "0123456789abcdef" };

/** Starts a store in dir, in half a minute. It is stopped when the test ends. url: its address; environment: variables for
 * tapedeck; makeBucket(name); killGateway(), startGateway(); request(method, path, {query, body, headers}): a signed request, with
 * fetch's response; temporaryKeys(), with the settings TEMPORARY_KEYS: credentials as a role's, {AccessKeyId, SecretAccessKey,
 * Token}. */
export async function cephStore(t, dir, settings = {}) {
  const port = await freePorts();
  for (const name of ["mon", "osd", "run"]) fs.mkdirSync(path.join(dir, name));
  const { fsid, text } = configuration(dir, port, settings);
  const file = path.join(dir, "ceph.conf");
  fs.writeFileSync(file, text);
  const env = { ...process.env, CEPH_CONF: file };
  // A command or daemon may fail ("wrong fsid") because it does not know the monitor's cluster yet.
  const ceph = (name, ...args) =>
    eventually(`${name} ${args[0]} succeeds`, () =>
      run(name, args, { env }).catch(() => undefined)
    );
  // Kept here, because the test may remove the folder before it ends.
  const daemons = [];
  t.after(() => daemons.forEach((pid) => process.kill(pid, "SIGKILL")));
  const start = async (name, id, ...args) => {
    await ceph(name, ...args, "--setuser", "root", "--setgroup", "root");
    const file = path.join(dir, "run", `${id}.pid`);
    const pid = () => fs.existsSync(file) && Number(fs.readFileSync(file, "utf8"));
    daemons.push(await eventually(`${name} has an id`, pid));
    return daemons.at(-1);
  };

  const map = path.join(dir, "monmap");
  const address = `[v1:127.0.0.1:${port - 10}]`;
  await ceph("monmaptool", "--create", "--addv", "a", address, "--fsid", fsid, map);
  await ceph("ceph-mon", "-i", "a", "--mkfs", "--monmap", map);
  await start("ceph-mon", "mon.a", "-i", "a");
  const osd = randomUUID();
  await ceph("ceph", "osd", "new", osd);
  await ceph("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd);
  await ceph("ceph", "osd", "crush", "add", "osd.0", "1", "root=default", "host=h");
  await start("ceph-osd", "osd.0", "-i", "0");
  const url = `http://127.0.0.1:${port}`;
  const startGateway = async () => {
    gateway = await start("radosgw", "client.admin", "-n", "client.admin");
    await eventually("the gateway answers", async () => (await fetch(url).catch(() => null))?.ok);
  };
  let gateway;
  await startGateway();
  await ceph(
    "radosgw-admin",
    "user",
    "create",
    "--uid=test",
    "--display-name=test",
    `--access-key=${KEY_ID}`,
    `--secret=${SECRET}`,
    "--caps=user-policy=*"
  );
  const store = {
    url,
    environment: {
      AWS_ENDPOINT_URL: url,
      AWS_ACCESS_KEY_ID: KEY_ID,
      AWS_SECRET_ACCESS_KEY: SECRET,
      AWS_REGION: REGION,
    },
    request: (method, at, options) => signedRequest(url, method, at, options),
    startGateway,
    killGateway() {
      process.kill(gateway, "SIGKILL");
      daemons.splice(daemons.indexOf(gateway), 1);
      fs.rmSync(path.join(dir, "run", "client.admin.pid"), { force: true });
    },
    async temporaryKeys() {
      const post = async (fields) => {
        const body = new URLSearchParams(fields).toString();
        const headers = { "content-type": "application/x-www-form-urlencoded" };
        const response = await store.request("POST", "/", { body, headers });
        return `${response.status} ${await response.text()}`;
      };
      const allow = { Effect: "Allow", Action: ["s3:*", "sts:*"], Resource: "*" };
      const PolicyDocument = JSON.stringify({ Version: "2012-10-17", Statement: [allow] });
      const policy = { Action: "PutUserPolicy", PolicyName: "all", UserName: "test" };
      const allowed = await post({ ...policy, PolicyDocument });
      const text = await post({ Action: "GetSessionToken", DurationSeconds: 900 });
      const of = (name) => new RegExp(`<${name}>([^<]+)</${name}>`).exec(text)?.[1];
      const Token = of("SessionToken");
      if (Token === undefined) throw new Error(`temporary keys: ${allowed} ${text}`);
      return { AccessKeyId: of("AccessKeyId"), SecretAccessKey: of("SecretAccessKey"), Token };
    },
    async makeBucket(name) {
      const response = await store.request("PUT", `/${name}`);
      if (!response.ok) throw new Error(`bucket ${name}: ${await response.text()}`);
      return name;
    },
  };
  return store;
}

/** A store for all tests of a file: starts before the first one, unless skip says why not, followed by begin(), and is removed
 * after the last one.
 * Its members are cephStore's; dir: its folder, and the tests'; env(): variables for tapedeck; after(end): calls end after the
 * last test. */
export function fileStore(name, { skip = withoutCeph, settings, begin = () => {} } = {}) {
  const dir = fs.mkdtempSync(path.join(fs.realpathSync("/tmp"), `tapedeck-${name}-`));
  const whole = wholeFile(after);
  const store = {
    ...whole,
    dir,
    env: (more = {}) => ({ ...process.env, ...store.environment, ...more }),
  };
  before(async () => {
    if (skip) return;
    Object.assign(store, await cephStore(whole, dir, settings));
    await begin();
  });
  after(() => fs.rmSync(dir, { recursive: true, force: true }));
  return store;
}

const sha256 = (data) => createHash("sha256").update(data).digest("hex");
const hmac = (key, text) => createHmac("sha256", key).update(text).digest();
const encode = (text) =>
  encodeURIComponent(text).replace(
    /[!'()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`
  );

/** A request that is signed here, with no code of the product. */
function signedRequest(url, method, at, { query = {}, body = "", headers = {} } = {}) {
  const date = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
  const where = at.split("/").map(encode).join("/");
  const what = Object.keys(query)
    .sort()
    .map((name) => `${encode(name)}=${encode(query[name])}`)
    .join("&");
  const signed = {
    host: new URL(url).host,
    "x-amz-content-sha256": sha256(body),
    "x-amz-date": date,
  };
  const names = Object.keys(signed).join(";");
  const lines = Object.entries(signed).map(([name, value]) => `${name}:${value}\n`);
  const canonical = [method, where, what, lines.join(""), names, sha256(body)].join("\n");
  const scope = [date.slice(0, 8), REGION, "s3", "aws4_request"];
  const key = scope.reduce(hmac, `AWS4${SECRET}`);
  const text = ["AWS4-HMAC-SHA256", date, scope.join("/"), sha256(canonical)].join("\n");
  const authorization =
    `AWS4-HMAC-SHA256 Credential=${KEY_ID}/${scope.join("/")},` +
    `SignedHeaders=${names},Signature=${hmac(key, text).toString("hex")}`;
  const { host: _, ...sent } = signed;
  return fetch(`${url}${where}${what === "" ? "" : `?${what}`}`, {
    method,
    headers: { ...headers, ...sent, authorization },
    ...(method === "GET" || method === "HEAD" ? {} : { body }),
  });
}
