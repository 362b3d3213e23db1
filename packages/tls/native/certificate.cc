#include "certificate.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <strings.h>

#include <cctype>
#include <cstring>
#include <ctime>

namespace culvert {

std::string NameText(const X509_NAME* name) {
  BIO* bio = BIO_new(BIO_s_mem());
  if (bio == nullptr) return {};
  X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB));
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, size > 0 ? static_cast<size_t>(size) : 0);
  BIO_free(bio);
  return text;
}

static std::string Utf8(const ASN1_STRING* string) {
  unsigned char* data = nullptr;
  const int size = ASN1_STRING_to_UTF8(&data, string);
  if (size < 0) return {};
  std::string text(reinterpret_cast<char*>(data), static_cast<size_t>(size));
  OPENSSL_free(data);
  return text;
}

std::string CommonName(const X509* certificate) {
  const X509_NAME* subject = X509_get_subject_name(certificate);
  int last = -1;
  for (int at = -1; (at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0;) last = at;
  if (last < 0) return {};
  return Utf8(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, last)));
}

double UnixMillis(const ASN1_TIME* time) {
  struct tm parts = {};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return 0;
  return static_cast<double>(timegm(&parts)) * 1000;
}

static std::string Serial(const X509* certificate) {
  BIGNUM* number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr);
  char* hex = number == nullptr ? nullptr : BN_bn2hex(number);
  std::string text = hex == nullptr ? "" : hex;
  OPENSSL_free(hex);
  BN_free(number);
  const bool negative = !text.empty() && text[0] == '-';
  if (negative) text.erase(0, 1);
  const size_t start = text.find_first_not_of('0');
  text = start == std::string::npos ? "0" : text.substr(start);
  for (char& c : text) c = static_cast<char>(tolower(c));
  return negative ? "-" + text : text;
}

// SHA-256 in lower-case hexadecimal.
static std::string Fingerprint(const uint8_t* data, size_t size) {
  static const char* const kDigits = "0123456789abcdef";
  uint8_t digest[SHA256_DIGEST_LENGTH];
  SHA256(data, size, digest);
  std::string text;
  for (const uint8_t byte : digest) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

napi_value DescribeCertificate(napi_env env, const X509* certificate) {
  JsObject object(env);
  const int size = i2d_X509(certificate, nullptr);
  if (size > 0) {
    uint8_t* der = nullptr;
    napi_value bytes = JsBytes(env, static_cast<size_t>(size), &der);
    if (bytes == nullptr) return nullptr;
    uint8_t* end = der;
    i2d_X509(certificate, &end);
    object.Set("der", bytes).Set("fingerprint256", Fingerprint(der, static_cast<size_t>(size)));
  }
  return object.Set("subject", NameText(X509_get_subject_name(certificate)))
      .Set("issuer", NameText(X509_get_issuer_name(certificate)))
      .Set("commonName", CommonName(certificate))
      .Set("serial", Serial(certificate))
      .Set("notBefore", UnixMillis(X509_get0_notBefore(certificate)))
      .Set("notAfter", UnixMillis(X509_get0_notAfter(certificate)))
      .value();
}

bool HasDnsName(const X509* certificate, const std::string& name) {
  auto* names = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  bool found = false;
  for (int i = 0; i < sk_GENERAL_NAME_num(names) && !found; i++) {
    const GENERAL_NAME* entry = sk_GENERAL_NAME_value(names, i);
    if (entry->type != GEN_DNS) continue;
    const size_t size = static_cast<size_t>(ASN1_STRING_length(entry->d.dNSName));
    const char* data = reinterpret_cast<const char*>(ASN1_STRING_get0_data(entry->d.dNSName));
    found = size == name.size() && strncasecmp(data, name.data(), size) == 0;
  }
  GENERAL_NAMES_free(names);
  return found;
}

bool AllowsAny(const X509* certificate, std::initializer_list<const char*> purposes) {
  int found = 0;
  auto* usage = static_cast<EXTENDED_KEY_USAGE*>(X509_get_ext_d2i(certificate, NID_ext_key_usage, &found, nullptr));
  if (usage == nullptr) return found == -1;
  bool allows = false;
  for (int i = 0; i < sk_ASN1_OBJECT_num(usage) && !allows; i++) {
    char text[64];
    const int size = OBJ_obj2txt(text, sizeof(text), sk_ASN1_OBJECT_value(usage, i), 1);
    if (size <= 0 || size >= static_cast<int>(sizeof(text))) continue;
    for (const char* purpose : purposes) allows = allows || std::strcmp(text, purpose) == 0;
  }
  EXTENDED_KEY_USAGE_free(usage);
  return allows;
}

std::string TakeError() {
  const unsigned long error = ERR_get_error();
  const char* reason = error == 0 ? nullptr : ERR_reason_error_string(error);
  std::string text = reason == nullptr ? "unknown OpenSSL error" : reason;
  ERR_clear_error();
  return text;
}

}  // namespace culvert
