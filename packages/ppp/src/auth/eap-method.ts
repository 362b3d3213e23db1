/** One method of EAP in one role, as the two machines of EAP drive it. What it returns as undefined is ignored, as if nothing had come. */
import type { AuthClaim, AuthMaterial, AuthRefusal, AuthVerdict } from './machine.ts';

export interface EapFailed {
  readonly kind: 'failed';
  readonly reason: string;
  readonly detail?: AuthRefusal | undefined;
}

export type EapServerStep =
  /** The data of the next request. */
  | { readonly kind: 'ask'; readonly data: Uint8Array }
  /** Ask admission; `handleVerdict` brings its answer. */
  | { readonly kind: 'claim'; readonly identity: string; readonly claim: AuthClaim }
  | { readonly kind: 'succeeded'; readonly material: AuthMaterial | undefined }
  | EapFailed;

export interface EapServerMethod {
  readonly type: number;
  /** The data of the first request, which goes out with this identifier. */
  begin(id: number): Uint8Array;
  handleResponse(data: Uint8Array): EapServerStep | undefined;
  handleVerdict(verdict: AuthVerdict): EapServerStep;
  dispose?(): void;
}

export type EapClientStep =
  /** The data of the response. `failed` tells that it is our last word. */
  { readonly kind: 'answer'; readonly data: Uint8Array; readonly failed?: EapFailed | undefined } | EapFailed;

export interface EapClientMethod {
  readonly type: number;
  handleRequest(data: Uint8Array, id: number): EapClientStep | undefined;
  /** Once the server's Success may be believed. */
  readonly outcome: { readonly material: AuthMaterial | undefined } | undefined;
  /** What is missing before that, as a sentence, where all but that is done. */
  readonly missing?: string | undefined;
  dispose?(): void;
}
