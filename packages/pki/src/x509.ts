/** @peculiar/x509 with what it needs at load time. Every use of it in this package goes through here. */
import './metadata.ts';

export * as x509 from '@peculiar/x509';
