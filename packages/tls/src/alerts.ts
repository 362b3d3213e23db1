/** TLS alerts by number (RFC 8446 section 6, RFC 5246 section 7.2, IANA "TLS Alerts"). */
const names: Readonly<Record<number, string>> = {
  0: 'close_notify',
  10: 'unexpected_message',
  20: 'bad_record_mac',
  21: 'decryption_failed',
  22: 'record_overflow',
  30: 'decompression_failure',
  40: 'handshake_failure',
  41: 'no_certificate',
  42: 'bad_certificate',
  43: 'unsupported_certificate',
  44: 'certificate_revoked',
  45: 'certificate_expired',
  46: 'certificate_unknown',
  47: 'illegal_parameter',
  48: 'unknown_ca',
  49: 'access_denied',
  50: 'decode_error',
  51: 'decrypt_error',
  60: 'export_restriction',
  70: 'protocol_version',
  71: 'insufficient_security',
  80: 'internal_error',
  86: 'inappropriate_fallback',
  90: 'user_canceled',
  100: 'no_renegotiation',
  109: 'missing_extension',
  110: 'unsupported_extension',
  111: 'certificate_unobtainable',
  112: 'unrecognized_name',
  113: 'bad_certificate_status_response',
  114: 'bad_certificate_hash_value',
  115: 'unknown_psk_identity',
  116: 'certificate_required',
  120: 'no_application_protocol',
};

export function alertName(number: number): string {
  return names[number] ?? 'unknown_alert';
}

/** What the peer most likely means, for the log: an alert that we received. */
export function explainPeerAlert(number: number): string {
  const alert = `alert ${alertName(number)} (${number})`;
  if (number === 116) return `the peer wants a certificate and we showed none: ${alert}`;
  if ((number >= 41 && number <= 46) || number === 48) return `the peer refused our certificate: ${alert}`;
  const hint = hints[number];
  return `the peer ended the session${hint === undefined ? '' : ` (${hint})`}: ${alert}`;
}

const hints: Readonly<Record<number, string>> = {
  40: 'no common cipher or group, or it wants a certificate',
  49: 'it does not let us in',
  70: 'no common TLS version',
  71: 'our ciphers or keys are too weak for it',
};
