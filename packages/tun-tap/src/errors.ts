/** What can go wrong with a device, and what to do about it. Docs and tests take the codes from here. */
export const sentences = {
  CULVERT_TUN_NATIVE: 'the native part of tun-tap cannot be loaded',
  CULVERT_TUN_NO_DEVICE:
    'there is no /dev/net/tun; load the module (modprobe tun), or give the container the device (--device /dev/net/tun)',
  CULVERT_TUN_PERMISSION:
    'TUN devices need CAP_NET_ADMIN; run as root, or give the service or container that capability (--cap-add NET_ADMIN)',
  CULVERT_TUN_NAME_TAKEN: 'a program has that device open; stop it or choose another name',
  CULVERT_TUN_NAME_KIND:
    'an interface of that name exists and is of another kind (another mode or queue setting, or no TUN device at all); choose another name or delete it',
  CULVERT_TUN_NAME_LENGTH: 'an interface name has at most 15 bytes',
  CULVERT_TUN_NAME_INVALID:
    'an interface name has no spaces, slashes or colons, is not "." or "..", and has "%" only as one "%d" (the kernel puts a number there)',
  CULVERT_TUN_DESCRIPTOR: 'the descriptor is not one of /dev/net/tun that can be used',
  CULVERT_TUN_OFFLOAD: 'the kernel does not offer these offloads',
  CULVERT_TUN_QUEUES: 'the device takes no further queue',
  CULVERT_TUN_MTU: 'the device does not take that MTU',
  CULVERT_TUN_CLOSED: 'the device is closed',
  CULVERT_TUN_GONE: 'the network interface was deleted',
  CULVERT_TUN_SYSTEM: 'the system refused',
} as const;

/** A stable code to branch on, a sentence to read, and in `cause` the system's own error. */
export class TunError extends Error {
  override readonly name = 'TunError';
  readonly code: keyof typeof sentences;

  constructor(code: keyof typeof sentences, detail?: string, options?: ErrorOptions) {
    super(detail === undefined ? sentences[code] : `${sentences[code]}: ${detail}`, options);
    this.code = code;
  }
}
