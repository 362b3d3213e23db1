import { CulvertError } from '@culvert/base';

export const sentences = {
  CULVERT_NETIO_NATIVE: 'the native part of netio cannot be loaded; run scripts/build-native',
  CULVERT_NETIO_ADDRESS: 'not an IP address of the family that is wanted',
  CULVERT_NETIO_NOT_LOCAL: 'this machine does not have that address',
  CULVERT_NETIO_PORT_TAKEN: 'another socket has that address and port; stop its program or choose another port',
  CULVERT_NETIO_PERMISSION:
    'not allowed; ports below 1024 need CAP_NET_BIND_SERVICE (run as root, or give the service that capability)',
  CULVERT_NETIO_RAW_PERMISSION:
    'raw IP sockets need CAP_NET_RAW; run as root, or give the service or container that capability',
  CULVERT_NETIO_FAMILY: 'this machine has no such IP version',
  CULVERT_NETIO_DEVICE: 'there is no network interface of that name',
  CULVERT_NETIO_CLOSED: 'the socket is closed',
  CULVERT_NETIO_SYSTEM: 'the system refused',
} as const;

/** The system's refusal, or a wrong address. Lost datagrams are numbers in a socket's `stats` and never this. */
export class NetioError extends CulvertError<keyof typeof sentences> {
  override readonly name = 'NetioError';
  constructor(code: keyof typeof sentences, detail?: string, options?: ErrorOptions) {
    super(sentences, code, detail, options);
  }
}
