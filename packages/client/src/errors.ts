import { CulvertError } from '@culvert/base';
import { ExitCode } from '@culvert/terminal';

export const sentences = {
  CULVERT_CLIENT_PROFILE: 'the profile cannot be used',
  CULVERT_CLIENT_NO_PROFILE: 'there is no such profile',
  CULVERT_CLIENT_INSECURE: 'the profile protects little, and nobody accepted that',
  CULVERT_CLIENT_PROFILE_EXISTS: 'a profile of that name exists',
  CULVERT_CLIENT_RUNNING: 'the tunnel is up already, or on its way',
  CULVERT_CLIENT_NOT_RUNNING: 'the tunnel is not up',
  CULVERT_CLIENT_SILENT: 'the process of the tunnel does not answer',
  CULVERT_CLIENT_CREDENTIALS: 'user name and password are needed',
  CULVERT_CLIENT_REFUSED: 'the server refused us',
  CULVERT_CLIENT_UNTRUSTED: 'the server is not the one that the profile names',
  CULVERT_CLIENT_NO_LINK: 'no server could be reached',
  CULVERT_CLIENT_PUSHED: 'the server told us to configure what we do not',
  CULVERT_CLIENT_ENDED: 'the tunnel ended',
} as const;

export type ClientErrorCode = keyof typeof sentences;

const exitCodes: Partial<Record<ClientErrorCode, number>> = {
  CULVERT_CLIENT_PROFILE: ExitCode.configuration,
  CULVERT_CLIENT_NO_PROFILE: ExitCode.configuration,
  CULVERT_CLIENT_INSECURE: ExitCode.configuration,
  CULVERT_CLIENT_NOT_RUNNING: ExitCode.notRunning,
  CULVERT_CLIENT_CREDENTIALS: ExitCode.usage,
  CULVERT_CLIENT_REFUSED: ExitCode.refused,
};

/** What ends a command of the client, with the exit code that tells of it. */
export class ClientError extends CulvertError<ClientErrorCode> {
  override readonly name = 'ClientError';
  /** One of `ExitCode`. */
  readonly exitCode: number;
  constructor(code: ClientErrorCode, detail?: string, options?: ErrorOptions) {
    super(sentences, code, withoutEcho(sentences[code], detail), options);
    this.exitCode = exitCodes[code] ?? ExitCode.failed;
  }
}

/** The transport's own sentence may be ours: it is said once. */
function withoutEcho(sentence: string, detail: string | undefined): string | undefined {
  if (detail === sentence) return undefined;
  return detail?.startsWith(`${sentence}: `) ? detail.slice(sentence.length + 2) : detail;
}
