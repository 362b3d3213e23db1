/** The CA directory, certificates and CRLs, and PKCS#12. */
export { type KeyAlgorithm, keyAlgorithms } from './algorithms.ts';
export { writeFileAtomically } from './atomic-file.ts';
export { type CreateOptions, defaultDays } from './authority.ts';
export { CaDirectory, type IssueOptions } from './ca-directory.ts';
export type { CertificateRole } from './certificate.ts';
export { type ParsedCrl, parseCrl, type RevocationReason, revocationReasons } from './crl.ts';
export type { Authority, CertificateRecord } from './database.ts';
export { PkiError } from './errors.ts';
export { makePkcs12, type Pkcs12Content, type Pkcs12Strength, readPkcs12 } from './pkcs12.ts';
