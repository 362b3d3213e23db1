import { CulvertError } from '@culvert/base';

export const sentences = {
  CULVERT_HOST_TOOL: 'a program that changes the host is missing',
  CULVERT_HOST_PERMISSION: 'the system does not allow this change (CAP_NET_ADMIN, or root, is needed)',
  CULVERT_HOST_COMMAND: 'the system refused a change',
  CULVERT_HOST_BUSY: 'another running process owns these changes of the host',
  CULVERT_HOST_JOURNAL: 'the journal of host changes cannot be used',
  CULVERT_HOST_UNREACHABLE: 'the host has no route to this address',
} as const;

/** A change of the host that could not be made or undone. The detail holds the system's own words. */
export class HostError extends CulvertError<keyof typeof sentences> {
  override readonly name = 'HostError';
  constructor(code: keyof typeof sentences, detail?: string, options?: ErrorOptions) {
    super(sentences, code, detail, options);
  }
}
