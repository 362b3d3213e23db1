import { CulvertError } from '@culvert/base';
import { ExitCode } from '@culvert/terminal';

export const sentences = {
  CULVERT_GATEWAY_NOT_RUNNING: 'culvertd does not run',
  CULVERT_GATEWAY_RUNNING: 'culvertd runs already',
  CULVERT_GATEWAY_CONTROL: 'the control socket failed',
  CULVERT_GATEWAY_REQUEST: 'culvertd did not understand the request',
  CULVERT_GATEWAY_NO_SESSION: 'there is no such session',
  CULVERT_GATEWAY_PRIVILEGE: 'a privilege is missing',
  CULVERT_GATEWAY_SERVICE_USER: 'there is no such service user',
  CULVERT_GATEWAY_STATE: 'the state directory cannot be used',
  CULVERT_GATEWAY_RELOAD: 'the configuration was not taken, the one before stays in force',
  CULVERT_GATEWAY_THREAD: 'a packet thread ended',
  CULVERT_GATEWAY_SECRET_KEY: 'the key that seals NT hashes cannot be used',
} as const;

export type GatewayErrorCode = keyof typeof sentences;

const exitCodes: Partial<Record<GatewayErrorCode, number>> = {
  CULVERT_GATEWAY_NOT_RUNNING: ExitCode.notRunning,
  CULVERT_GATEWAY_PRIVILEGE: ExitCode.permission,
  CULVERT_GATEWAY_STATE: ExitCode.permission,
  CULVERT_GATEWAY_SECRET_KEY: ExitCode.permission,
  CULVERT_GATEWAY_RELOAD: ExitCode.configuration,
  CULVERT_GATEWAY_SERVICE_USER: ExitCode.configuration,
};

export class GatewayError extends CulvertError<GatewayErrorCode> {
  override readonly name = 'GatewayError';
  readonly exitCode: number;
  readonly detail: string | undefined;
  constructor(code: GatewayErrorCode, detail?: string, options?: ErrorOptions) {
    super(sentences, code, detail, options);
    this.detail = detail;
    this.exitCode = exitCodes[code] ?? ExitCode.failed;
  }
}
