/** Addresses and state of a device, by `ip address` and `ip link`. */
import {
  type AddressChange,
  canonicalAddress,
  checkDevice,
  checkNetwork,
  checkNumber,
  familyOf,
  type Kind,
  type LinkChange,
  type Step,
} from './change.ts';
import { commandError, run, runOk, type Tools } from './command.ts';
import { ipBatch, ipUndo } from './ip-batch.ts';

/** A device as `ip -json` tells it, of that what we read. */
interface DeviceInfo {
  readonly flags: readonly string[];
  readonly mtu: number;
  readonly txqlen?: number;
  readonly addr_info?: readonly { readonly local?: string; readonly prefixlen?: number }[];
}

export const addressKind: Kind<AddressChange, Record<string, never>> = {
  check(change) {
    checkDevice(change.device);
    checkNetwork(change.address);
    if (!change.address.includes('/')) throw new TypeError(`${change.address} has no prefix`);
  },
  async before(changes, tools) {
    const present = new Map<string, ReadonlySet<string>>();
    for (const { device } of changes) {
      if (!present.has(device)) present.set(device, await addressesOf(device, tools));
    }
    return changes.map((change) => (present.get(change.device)?.has(canonical(change.address)) ? undefined : {}));
  },
  async make(steps, tools) {
    for (const family of [4, 6] as const) await ipBatch(family, linesOf(steps, family, 'add'), tools);
  },
  async undo(steps, tools) {
    const problems: (string | undefined)[] = [];
    for (const { change } of steps) {
      const family = familyOf(change.address);
      const [problem] = await ipUndo(family, [lineOf(change, 'del')], tools);
      problems.push(problem);
    }
    return problems;
  },
};

function linesOf(steps: readonly Step<AddressChange, unknown>[], family: 4 | 6, verb: 'add'): string[] {
  return steps.filter(({ change }) => familyOf(change.address) === family).map(({ change }) => lineOf(change, verb));
}

/** IPv6 skips duplicate address detection: the address comes from the tunnel's other end, and is wanted at once. */
function lineOf(change: AddressChange, verb: 'add' | 'del'): string {
  const flags = verb === 'add' && familyOf(change.address) === 6 ? ' nodad' : '';
  return `address ${verb} ${change.address} dev ${change.device}${flags}`;
}

async function addressesOf(device: string, tools: Tools): Promise<ReadonlySet<string>> {
  const info = await deviceInfo(device, tools);
  return new Set((info.addr_info ?? []).map((at) => `${at.local}/${at.prefixlen}`));
}

function canonical(address: string): string {
  const [host = '', prefix] = address.split('/');
  return `${canonicalAddress(host)}/${prefix}`;
}

async function deviceInfo(device: string, tools: Tools): Promise<DeviceInfo> {
  const outcome = await run(tools, 'ip', ['-json', 'address', 'show', 'dev', device]);
  if (outcome.code !== 0) throw commandError(`look at device ${device}`, outcome.stderr);
  const [info] = (JSON.parse(outcome.stdout) as DeviceInfo[]).filter((entry) => entry.flags !== undefined);
  if (info === undefined) throw commandError(`look at device ${device}`, 'no such device');
  return info;
}

interface LinkBefore {
  readonly up?: boolean;
  readonly mtu?: number;
  readonly txQueueLength?: number;
}

export const linkKind: Kind<LinkChange, LinkBefore> = {
  check(change) {
    checkDevice(change.device);
    checkNumber('mtu', change.mtu, 68, 65_535);
    checkNumber('txQueueLength', change.txQueueLength, 0, 1_000_000);
  },
  async before(changes, tools) {
    const befores: (LinkBefore | undefined)[] = [];
    for (const change of changes) befores.push(differences(change, await deviceInfo(change.device, tools)));
    return befores;
  },
  async make(steps, tools) {
    for (const { change } of steps)
      await runOk(tools, 'ip', ['link', 'set', 'dev', change.device, ...settings(change)]);
  },
  async undo(steps, tools) {
    const problems: (string | undefined)[] = [];
    for (const { change, before } of steps) {
      const line = ['link', 'set', 'dev', change.device, ...settings(before)].join(' ');
      problems.push(...(await ipUndo(4, [line], tools)));
    }
    return problems;
  },
};

/** The present values of what `change` would make otherwise. */
function differences(change: LinkChange, info: DeviceInfo): LinkBefore | undefined {
  const up = info.flags.includes('UP');
  const before = {
    ...(change.up !== undefined && change.up !== up ? { up } : {}),
    ...(change.mtu !== undefined && change.mtu !== info.mtu ? { mtu: info.mtu } : {}),
    ...(change.txQueueLength !== undefined && info.txqlen !== undefined && change.txQueueLength !== info.txqlen
      ? { txQueueLength: info.txqlen }
      : {}),
  };
  return Object.keys(before).length === 0 ? undefined : before;
}

function settings(values: LinkBefore): string[] {
  const args: string[] = [];
  if (values.mtu !== undefined) args.push('mtu', String(values.mtu));
  if (values.txQueueLength !== undefined) args.push('txqueuelen', String(values.txQueueLength));
  if (values.up !== undefined) args.push(values.up ? 'up' : 'down');
  return args;
}
