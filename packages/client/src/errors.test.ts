import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClientError } from './errors.ts';

test('a sentence that the cause has said already is not said twice', () => {
  const message = (detail: string) => new ClientError('CULVERT_CLIENT_REFUSED', detail).message;
  assert.equal(message('the server refused us: wrong password'), 'the server refused us: wrong password');
  assert.equal(message('the server refused us'), 'the server refused us');
  assert.equal(message('wrong password'), 'the server refused us: wrong password');
});
