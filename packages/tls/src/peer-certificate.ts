import { createHash } from 'node:crypto';
import type { PeerCertificate } from '@culvert/base';
import type { CertificateFacts } from './native.ts';

export function describePeer(facts: CertificateFacts): PeerCertificate {
  return { ...facts, fingerprint256: createHash('sha256').update(facts.der).digest('hex') };
}
