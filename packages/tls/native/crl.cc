#include "crl.h"

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <climits>

namespace culvert {
namespace {

// OpenSSL's own check, which it tells of through a context alone.
X509_STORE_CTX_check_crl_fn DefaultCheck() {
  static const X509_STORE_CTX_check_crl_fn found = [] {
    X509_STORE* store = X509_STORE_new();
    X509_STORE_CTX* context = X509_STORE_CTX_new();
    X509_STORE_CTX_check_crl_fn check = nullptr;
    if (store != nullptr && context != nullptr && X509_STORE_CTX_init(context, store, nullptr, nullptr) == 1)
      check = X509_STORE_CTX_get_check_crl(context);
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    return check;
  }();
  return found;
}

// A list about every certificate of its issuer, for every reason: neither a delta nor cut by issuingDistributionPoint.
bool IsWhole(const X509_CRL* crl) {
  return X509_CRL_get_ext_by_NID(crl, NID_issuing_distribution_point, -1) < 0 &&
         X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) < 0 && X509_CRL_get_ext_by_critical(crl, 1, -1) < 0;
}

// By the time that certificates are judged by.
bool IsCurrent(const X509_STORE_CTX* store, const X509_CRL* crl) {
  const X509_VERIFY_PARAM* parameters = X509_STORE_CTX_get0_param(store);
  const bool fixed = (X509_VERIFY_PARAM_get_flags(const_cast<X509_VERIFY_PARAM*>(parameters)) & X509_V_FLAG_USE_CHECK_TIME) != 0;
  time_t at = fixed ? X509_VERIFY_PARAM_get_time(parameters) : 0;
  time_t* now = fixed ? &at : nullptr;
  const ASN1_TIME* next = X509_CRL_get0_nextUpdate(crl);
  return X509_cmp_time(X509_CRL_get0_lastUpdate(crl), now) < 0 && (next == nullptr || X509_cmp_time(next, now) > 0);
}

const X509* IssuerOf(const X509_STORE_CTX* store) {
  const STACK_OF(X509)* chain = X509_STORE_CTX_get0_chain(store);
  const int depth = X509_STORE_CTX_get_error_depth(store);
  const int last = sk_X509_num(chain) - 1;
  return sk_X509_value(chain, depth < last ? depth + 1 : last);
}

// The serial number where a certificate has it (RFC 5280, section 4.1): parsing all of it, keys included, takes forty times as long.
ASN1_INTEGER* SerialOf(const uint8_t* der, size_t size) {
  const unsigned char* at = der;
  const unsigned char* end = der + size;
  long length = 0;
  int tag = 0, kind = 0;
  for (int level = 0; level < 2; level++) {  // Certificate, TBSCertificate
    const int form = ASN1_get_object(&at, &length, &tag, &kind, end - at);
    if ((form & 0x80) != 0 || tag != V_ASN1_SEQUENCE || kind != V_ASN1_UNIVERSAL) return nullptr;
  }
  const unsigned char* version = at;
  const int form = ASN1_get_object(&version, &length, &tag, &kind, end - at);
  if ((form & 0x80) != 0) return nullptr;
  if (kind == V_ASN1_CONTEXT_SPECIFIC && tag == 0) at = version + length;
  return d2i_ASN1_INTEGER(nullptr, &at, end - at);
}

}  // namespace

bool SignedBy(X509_CRL* crl, X509* ca) {
  if (X509_CRL_verify(crl, X509_get0_pubkey(ca)) != 1) return false;
  const bool may_sign = (X509_get_key_usage(ca) & KU_CRL_SIGN) != 0;
  if (may_sign && IsWhole(crl)) X509_CRL_set_meth_data(crl, ca);
  return true;
}

int CheckCrl(X509_STORE_CTX* store, X509_CRL* crl) {
  const void* signer = X509_CRL_get_meth_data(crl);
  const bool known = signer != nullptr && signer == IssuerOf(store);
  if (known && IsCurrent(store, crl)) return 1;
  const X509_STORE_CTX_check_crl_fn check = DefaultCheck();
  return check == nullptr ? 0 : check(store, crl);
}

int IsListed(const STACK_OF(X509_CRL) * crls, const uint8_t* der, size_t size) {
  if (size > LONG_MAX) return -1;
  ASN1_INTEGER* serial = SerialOf(der, size);
  if (serial == nullptr) {
    ERR_clear_error();
    return -1;
  }
  X509* certificate = nullptr;  // made when a number is found: other issuers use the same ones
  bool listed = false, broken = false;
  for (int i = 0; i < sk_X509_CRL_num(crls) && !listed && !broken; i++) {
    X509_CRL* crl = sk_X509_CRL_value(crls, i);
    X509_REVOKED* entry = nullptr;
    if (X509_CRL_get0_by_serial(crl, &entry, serial) == 0) continue;
    const unsigned char* at = der;
    if (certificate == nullptr) certificate = d2i_X509(nullptr, &at, static_cast<long>(size));
    broken = certificate == nullptr;
    // 1: revoked; 2: listed as removed from the CRL.
    listed = !broken && X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_issuer_name(certificate)) == 0 &&
             X509_CRL_get0_by_cert(crl, &entry, certificate) == 1;
  }
  X509_free(certificate);
  ASN1_INTEGER_free(serial);
  ERR_clear_error();
  return broken ? -1 : listed;
}

}  // namespace culvert
