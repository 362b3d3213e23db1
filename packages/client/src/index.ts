/** The client as a program: see main.ts. What other packages may use of it is this. */
export { ClientError } from './errors.ts';
export type { TunnelDescription } from './status.ts';
