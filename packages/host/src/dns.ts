/**
 * Name servers of a device: by systemd-resolved where it serves this host, else by replacing resolv.conf.
 *
 * Owns the choice between the two. `resolv-conf.ts` holds the file's ways.
 */
import { existsSync } from 'node:fs';
import { readFile, realpath } from 'node:fs/promises';
import { isIP } from 'node:net';
import { checkDevice, type DnsChange, type Kind } from './change.ts';
import { run, runOk, type Tools } from './command.ts';
import {
  keepOriginal,
  markOf,
  type ResolvConfBefore,
  readResolvConf,
  replaceResolvConf,
  restoreResolvConf,
} from './resolv-conf.ts';

type DnsBefore = { readonly by: 'resolved' } | ({ readonly by: 'file'; readonly path: string } & ResolvConfBefore);

const LINUX_SERVERS = 3; // glibc reads no more (resolv.conf(5), MAXNS).

export const dnsKind: Kind<DnsChange, DnsBefore> = {
  check(change) {
    checkDevice(change.device);
    for (const server of change.servers) {
      if (isIP(server) === 0) throw new TypeError(`not a name server's address: ${JSON.stringify(server)}`);
    }
    for (const domain of change.search) {
      if (!isDomain(domain)) throw new TypeError(`not a domain: ${JSON.stringify(domain)}`);
    }
  },
  async before(changes, tools) {
    const resolved = await resolvedServes(tools);
    return Promise.all(
      changes.map(async (): Promise<DnsBefore> => {
        if (resolved) return { by: 'resolved' };
        return { by: 'file', path: tools.resolvConf, ...(await readResolvConf(tools.resolvConf)) };
      }),
    );
  },
  async make(steps, tools) {
    for (const { change, before } of steps) {
      if (before.by === 'resolved') await tellResolved(change, tools);
      else await replaceResolvConf(before.path, fileText(change, before));
    }
  },
  async undo(steps, tools) {
    const problems: (string | undefined)[] = [];
    for (const { change, before } of steps) {
      if (before.by === 'resolved') problems.push(await revertResolved(change.device, tools));
      else problems.push(await restoreResolvConf(before.path, markOf(change.device), before, tools.log));
    }
    return problems;
  },
};

/** A name of at most 253 characters in labels of letters, digits, hyphens and underscores (RFC 1035, section 2.3.1). */
export function isDomain(text: string): boolean {
  return (
    text.length <= 253 &&
    /^(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.?$/.test(
      text,
    )
  );
}

/** systemd-resolved runs, and resolv.conf sends this host's questions to it. */
async function resolvedServes(tools: Tools): Promise<boolean> {
  if (!existsSync('/run/systemd/resolve/io.systemd.Resolve') && !existsSync('/run/systemd/resolve/stub-resolv.conf')) {
    return false;
  }
  const target = await realpath(tools.resolvConf).catch(() => '');
  const text = await readFile(tools.resolvConf, 'utf8').catch(() => '');
  if (!target.startsWith('/run/systemd/resolve/') && !/^\s*nameserver\s+127\.0\.0\.5[34]\s*$/m.test(text)) return false;
  const outcome = await run(tools, 'resolvectl', ['--no-pager', 'status']).catch(() => undefined);
  return outcome?.code === 0;
}

/** `~.` sends every name here. A device with search domains and without `all` answers for those domains alone. */
async function tellResolved(change: DnsChange, tools: Tools): Promise<void> {
  const domains = change.all ? [...change.search, '~.'] : [...change.search];
  const byDefault = change.all || change.search.length === 0;
  await runOk(tools, 'resolvectl', ['dns', change.device, ...change.servers]);
  await runOk(tools, 'resolvectl', ['domain', change.device, ...(domains.length > 0 ? domains : [''])]);
  await runOk(tools, 'resolvectl', ['default-route', change.device, byDefault ? 'yes' : 'no']);
}

async function revertResolved(device: string, tools: Tools): Promise<string | undefined> {
  const outcome = await run(tools, 'resolvectl', ['revert', device]);
  const gone = /No such device|not known|Unknown interface|Failed to resolve interface/i.test(outcome.stderr);
  return outcome.code === 0 || gone ? undefined : outcome.stderr;
}

function fileText(change: DnsChange, before: ResolvConfBefore): string {
  const old = before.text.split('\n');
  const servers = [...change.servers];
  if (!change.all) servers.push(...values(old, 'nameserver').filter((server) => !servers.includes(server)));
  const search = [...change.search];
  if (!change.all) search.push(...values(old, 'search').filter((domain) => !search.includes(domain)));
  return [
    markOf(change.device),
    ...servers.slice(0, LINUX_SERVERS).map((server) => `nameserver ${server}`),
    ...(search.length > 0 ? [`search ${search.join(' ')}`] : []),
    ...old.filter((line) => /^\s*options\s/.test(line)),
    ...keepOriginal(before),
    '',
  ].join('\n');
}

function values(lines: readonly string[], keyword: string): string[] {
  return lines.flatMap((line) => {
    const [first, ...rest] = line.trim().split(/\s+/);
    return first === keyword ? rest : [];
  });
}
