import type { CommandModule } from '@culvert/terminal';
import { checkCommand } from './check.ts';
import { reloadCommand } from './reload.ts';
import { runCommand } from './run.ts';
import { sessionCommand } from './session.ts';
import { statusCommand } from './status.ts';
import { userCommand } from './user.ts';

export const commands = [
  runCommand,
  checkCommand,
  statusCommand,
  sessionCommand,
  userCommand,
  reloadCommand,
] as readonly CommandModule[];
