/**
 * From a name and settings to a descriptor that is attached to an interface.
 *
 * Owns the order of the system calls and what each refusal means. Leaves reading and writing to `device.ts`.
 */
import { getSystemErrorName } from 'node:util';
import { virtioBytes } from './batch.ts';
import { TunError } from './errors.ts';
import { native } from './native.ts';

export type TunMode = 'tun' | 'tap';

/** IFF_* of linux/if_tun.h. */
const IFF_TUN = 0x0001;
const IFF_TAP = 0x0002;
const IFF_MULTI_QUEUE = 0x0100;
const IFF_NO_PI = 0x1000;
const IFF_VNET_HDR = 0x4000;

const longestName = 15;

export interface Attachment {
  readonly fd: number;
  readonly name: string;
  readonly mode: TunMode;
  readonly multiQueue: boolean;
  readonly vnetHeader: boolean;
}

export interface AttachSettings {
  readonly name: string;
  readonly mode: TunMode;
  readonly multiQueue: boolean;
  readonly vnetHeader: boolean;
}

/** Opens /dev/net/tun and attaches to the interface `name`, which is made if there is none ('' or `%d`: the kernel chooses). */
export function attachNew(settings: AttachSettings): Attachment {
  checkName(settings.name);
  const fd = native.openClone();
  if (fd < 0) throw openError(fd);
  return closeUnless(fd, () => attach(fd, settings));
}

/** Takes over an open descriptor of /dev/net/tun. If it is attached already its own settings hold. On an error it stays the caller's. */
export function attachGiven(fd: number, settings: AttachSettings): Attachment {
  checkName(settings.name);
  if (!Number.isInteger(fd) || fd < 0) throw new TunError('CULVERT_TUN_DESCRIPTOR', String(fd));
  const adopted = native.adopt(fd);
  if (adopted < 0) throw new TunError('CULVERT_TUN_DESCRIPTOR', String(fd), { cause: systemError(adopted) });
  try {
    const flags = native.flagsOf(fd);
    return flags < 0 ? attach(fd, settings) : attached(fd, flags);
  } catch (error) {
    native.release(fd);
    throw error;
  }
}

/** Runs `act`; if it throws, the descriptor is closed. */
export function closeUnless<T>(fd: number, act: () => T): T {
  try {
    return act();
  } catch (error) {
    native.close(fd);
    throw error;
  }
}

/** What a descriptor says whose interface is gone (EBADFD of linux/errno.h); libuv has no name for it. */
const EBADFD = -77;

/** The system's error for -errno, to stand as `cause`; its message and `code` are the name. */
export function systemError(returned: number): Error {
  const code = returned === EBADFD ? 'EBADFD' : getSystemErrorName(returned);
  return Object.assign(new Error(code), { errno: returned, code });
}

function attach(fd: number, settings: AttachSettings): Attachment {
  const flags =
    (settings.mode === 'tap' ? IFF_TAP : IFF_TUN) |
    IFF_NO_PI |
    (settings.multiQueue ? IFF_MULTI_QUEUE : 0) |
    (settings.vnetHeader ? IFF_VNET_HDR : 0);
  const failed = native.attach(fd, settings.name, flags);
  if (failed < 0) throw attachError(failed, settings.name);
  return attached(fd, flags);
}

function attached(fd: number, flags: number): Attachment {
  if ((flags & IFF_NO_PI) === 0) {
    throw new TunError('CULVERT_TUN_DESCRIPTOR', 'it was attached without IFF_NO_PI');
  }
  const name = native.nameOf(fd);
  if (typeof name === 'number') throw new TunError('CULVERT_TUN_GONE', undefined, { cause: systemError(name) });
  const vnetHeader = (flags & IFF_VNET_HDR) !== 0;
  // A persistent device may have been left with a longer header by another program.
  const failed = vnetHeader ? native.setHeaderSize(fd, virtioBytes) : 0;
  if (failed < 0) throw new TunError('CULVERT_TUN_SYSTEM', 'header size', { cause: systemError(failed) });
  return {
    fd,
    name,
    mode: (flags & IFF_TAP) !== 0 ? 'tap' : 'tun',
    multiQueue: (flags & IFF_MULTI_QUEUE) !== 0,
    vnetHeader,
  };
}

/** Linux, dev_valid_name() and dev_alloc_name(). */
function checkName(name: string): void {
  if (typeof name !== 'string') throw new TypeError('name must be a string');
  if (Buffer.byteLength(name) > longestName) throw new TunError('CULVERT_TUN_NAME_LENGTH', JSON.stringify(name));
  const rest = name.replace('%d', '');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: NUL would cut the name short.
  if (name === '.' || name === '..' || /[\s/:%\u0000]/.test(rest)) {
    throw new TunError('CULVERT_TUN_NAME_INVALID', JSON.stringify(name));
  }
}

function openError(returned: number): TunError {
  const cause = systemError(returned);
  switch (cause.message) {
    case 'ENOENT':
    case 'ENODEV':
    case 'ENXIO':
      return new TunError('CULVERT_TUN_NO_DEVICE', undefined, { cause });
    case 'EACCES':
      // Its file mode, which capabilities over networks do not overrule; udev makes it 0666.
      return new TunError('CULVERT_TUN_PERMISSION', 'or /dev/net/tun is closed to this user (chmod 666 /dev/net/tun)', {
        cause,
      });
    case 'EPERM':
      return new TunError('CULVERT_TUN_PERMISSION', 'opening /dev/net/tun', { cause });
    default:
      return new TunError('CULVERT_TUN_SYSTEM', `opening /dev/net/tun: ${cause.message}`, { cause });
  }
}

function attachError(returned: number, name: string): TunError {
  const cause = systemError(returned);
  const shown = name === '' ? 'a new device' : JSON.stringify(name);
  switch (cause.message) {
    case 'EPERM':
      return new TunError('CULVERT_TUN_PERMISSION', shown, { cause });
    case 'EBUSY':
      return new TunError('CULVERT_TUN_NAME_TAKEN', shown, { cause });
    case 'EINVAL':
      return new TunError('CULVERT_TUN_NAME_KIND', shown, { cause });
    case 'E2BIG':
      return new TunError('CULVERT_TUN_QUEUES', shown, { cause });
    default:
      return new TunError('CULVERT_TUN_SYSTEM', `attaching to ${shown}: ${cause.message}`, { cause });
  }
}
