/** Asks for a user name and a password, and prints how long each answer is. */
import { ask, askSecret } from '../src/index.ts';

const name = await ask('Name: ', 'use --name');
const password = await askSecret('Password: ', 'use --password-file');
process.stdout.write(`${name.length} and ${password.length} characters\n`);
