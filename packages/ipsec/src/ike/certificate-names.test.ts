import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WireError } from '@culvert/wire';
import { subjectOf } from '../index.ts';

/** openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /O=Office/CN=vpn.example.org -days 3650 */
const certificate = Buffer.from(
  'MIIBrDCCAVGgAwIBAgIUauTSioUoBiJa4fSoAdYqnmu6vfUwCgYIKoZIzj0EAwIwKzEPMA0GA1UECgwGT2ZmaWNlMRgwFgYDVQQDDA92cG4uZXhhbXBsZS5vcmcwHhcNMjYxMTI5MDk1MTQ5WhcNMzYxMTI2MDk1MTQ5WjArMQ8wDQYDVQQKDAZPZmZpY2UxGDAWBgNVBAMMD3Zwbi5leGFtcGxlLm9yZzBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABOXkpZ68+6lepF5TyK7pFDNTUE/v3C7OW0QxkfxpxwgBIngXBUVWjx891SX3t2KiPsa4N8+drw3pXwFV/VGpqWyjUzBRMB0GA1UdDgQWBBQvSt3ssmkjatWtUOulY1NqHNm+YjAfBgNVHSMEGDAWgBQvSt3ssmkjatWtUOulY1NqHNm+YjAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0kAMEYCIQCmRN1f8NsgiD3djaPMqzz/Q/uY7SvCtlQVYU9IsTtFPgIhAJ9hfZLpCJev0gBb9TrsgEhZzOB7EZfeI+AXt1dg9Mrv',
  'base64',
);
const subject = '302b310f300d060355040a0c064f66666963653118301606035504030c0f76706e2e6578616d706c652e6f7267';

test('the subject of a certificate comes out as it stands there', () => {
  assert.equal(Buffer.from(subjectOf(certificate)).toString('hex'), subject);
});

test('what is no certificate is refused and harms nothing', () => {
  for (let length = 0; length < certificate.length; length++) {
    assert.throws(() => subjectOf(certificate.subarray(0, length)), WireError);
  }
  for (const at of [1, 5, 9, 14, 36]) {
    const damaged = Uint8Array.from(certificate);
    damaged[at] = 0xff;
    assert.throws(() => subjectOf(damaged), WireError, `byte ${at}`);
  }
});
