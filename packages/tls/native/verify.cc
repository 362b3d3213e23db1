#include "verify.h"

#include <openssl/x509v3.h>

#include "certificate.h"

namespace culvert {
namespace {

// Chosen: a chain has a handful of certificates, each with at most one CRL.
constexpr size_t kMaxWarnings = 8;

void Record(Verdict* verdict, X509_STORE_CTX* store) {
  Refusal& refusal = verdict->refusal;
  if (refusal.error != X509_V_OK) return;
  refusal.error = X509_STORE_CTX_get_error(store);
  refusal.depth = X509_STORE_CTX_get_error_depth(store);
  refusal.text = X509_verify_cert_error_string(refusal.error);
  if (const X509* certificate = X509_STORE_CTX_get_current_cert(store)) {
    refusal.subject = NameText(X509_get_subject_name(certificate));
    refusal.issuer = NameText(X509_get_issuer_name(certificate));
    refusal.common_name = CommonName(certificate);
    refusal.not_before = UnixMillis(X509_get0_notBefore(certificate));
    refusal.not_after = UnixMillis(X509_get0_notAfter(certificate));
  }
  if (const X509_CRL* crl = X509_STORE_CTX_get0_current_crl(store))
    refusal.crl_next_update = UnixMillis(X509_CRL_get0_nextUpdate(crl));
}

int Refuse(Verdict* verdict, X509_STORE_CTX* store, int error) {
  X509_STORE_CTX_set_error(store, error);
  Record(verdict, store);
  return 0;
}

void Warn(Verdict* verdict, const StaleCrl& warning) {
  if (verdict->warnings.size() < kMaxWarnings) verdict->warnings.push_back(warning);
}

// A CRL that is out of date, or not there at all, proves nothing against the certificate at hand; what an expired one
// lists is still refused, since OpenSSL goes on to look. Certificates of CAs need no CRL of their issuer.
bool IsTolerated(Verdict* verdict, X509_STORE_CTX* store) {
  const bool refuses = verdict->policy->stale_crl_refuses;
  const int depth = X509_STORE_CTX_get_error_depth(store);
  switch (X509_STORE_CTX_get_error(store)) {
    case X509_V_ERR_UNABLE_TO_GET_CRL: {
      if (depth > 0) return true;
      if (refuses) return false;
      const X509* certificate = X509_STORE_CTX_get_current_cert(store);
      Warn(verdict, {true, NameText(X509_get_issuer_name(certificate)), 0});
      return true;
    }
    case X509_V_ERR_CRL_NOT_YET_VALID:
    case X509_V_ERR_CRL_HAS_EXPIRED: {
      if (refuses) return false;
      const X509_CRL* crl = X509_STORE_CTX_get0_current_crl(store);
      if (crl == nullptr) return false;
      Warn(verdict, {false, NameText(X509_CRL_get_issuer(crl)), UnixMillis(X509_CRL_get0_nextUpdate(crl))});
      return true;
    }
    default:
      return false;
  }
}

// TLS's rule beyond OpenSSL's own, which has refused what does not fit.
bool HasUsage(const Policy& policy, X509* leaf) {
  if (policy.usage_rule != UsageRule::kRequired) return true;
  if ((X509_get_extension_flags(leaf) & EXFLAG_XKUSAGE) == 0) return false;
  return (X509_get_extended_key_usage(leaf) & (policy.server ? XKU_SSL_CLIENT : XKU_SSL_SERVER)) != 0;
}

// IKE's rule (RFC 4945, sections 5.1.3.2 and 5.1.3.12), at each depth of a chain: what an extended key usage that is there
// has to name, and a key usage that lets the key of the peer's certificate sign. Beside the RFC's purposes it takes that of
// the peer's role in TLS, which most IPsec certificates have, and iKEIntermediate, which Windows' and macOS' have.
int IkeError(const Policy& policy, X509* certificate, int depth) {
  constexpr const char* kIke = "1.3.6.1.5.5.7.3.17";
  constexpr const char* kIkeIntermediate = "1.3.6.1.5.5.8.2.2";
  constexpr const char* kAny = "2.5.29.37.0";
  const char* role = policy.server ? "1.3.6.1.5.5.7.3.2" : "1.3.6.1.5.5.7.3.1";  // clientAuth, serverAuth
  if (!AllowsAny(certificate, {role, kIke, kIkeIntermediate, kAny})) return X509_V_ERR_INVALID_PURPOSE;
  const uint32_t signs = KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION;
  if (depth == 0 && (X509_get_key_usage(certificate) & signs) == 0) return X509_V_ERR_KEYUSAGE_NO_DIGITAL_SIGNATURE;
  return X509_V_OK;
}

bool HasName(const Policy& policy, const X509* leaf) {
  if (policy.name_rule == NameRule::kAny) return true;
  const std::string name = CommonName(leaf);
  if (policy.name_rule == NameRule::kPrefix) return name.compare(0, policy.name.size(), policy.name) == 0;
  return name == policy.name || HasDnsName(leaf, policy.name);
}

int Judge(int ok, X509_STORE_CTX* store, Verdict* verdict) {
  if (!ok && !IsTolerated(verdict, store)) {
    Record(verdict, store);
    return 0;
  }
  if (!ok) {
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return 1;
  }
  const Policy& policy = *verdict->policy;
  const int depth = X509_STORE_CTX_get_error_depth(store);
  X509* certificate = X509_STORE_CTX_get_current_cert(store);
  if (certificate == nullptr) return Refuse(verdict, store, X509_V_ERR_INVALID_PURPOSE);
  const int wrong = policy.usage_rule == UsageRule::kIke ? IkeError(policy, certificate, depth) : X509_V_OK;
  if (wrong != X509_V_OK) return Refuse(verdict, store, wrong);
  // The last step of the walk down the chain: signatures and times of everything above are good by now.
  if (depth > 0) return 1;
  if (!HasUsage(policy, certificate)) return Refuse(verdict, store, X509_V_ERR_INVALID_PURPOSE);
  if (!HasName(policy, certificate)) return Refuse(verdict, store, X509_V_ERR_HOSTNAME_MISMATCH);
  return 1;
}

int OnVerifyAlone(int ok, X509_STORE_CTX* store) {
  auto* verdict = static_cast<Verdict*>(X509_STORE_CTX_get_app_data(store));
  return verdict == nullptr ? 0 : Judge(ok, store, verdict);
}

}  // namespace

int OnVerify(int ok, X509_STORE_CTX* store) {
  auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto* verdict = ssl == nullptr ? nullptr : static_cast<Verdict*>(SSL_get_app_data(ssl));
  return verdict == nullptr ? 0 : Judge(ok, store, verdict);
}

bool VerifyChain(const Context& context, STACK_OF(X509) * chain, time_t unix_seconds, Verdict* verdict) {
  X509_STORE_CTX* store = X509_STORE_CTX_new();
  bool good = store != nullptr && X509_STORE_CTX_init(store, SSL_CTX_get_cert_store(context.ssl_ctx),
                                                      sk_X509_value(chain, 0), chain) == 1;
  if (good) {
    verdict->policy = &context.policy;
    // As OpenSSL sets up its own verification in a handshake: the purpose, and the strength of keys and digests. OpenSSL
    // has no purpose that is IKE's.
    if (context.policy.usage_rule != UsageRule::kIke)
      X509_STORE_CTX_set_default(store, context.policy.server ? "ssl_client" : "ssl_server");
    X509_VERIFY_PARAM* param = X509_STORE_CTX_get0_param(store);
    X509_VERIFY_PARAM_set_auth_level(param, SSL_CTX_get_security_level(context.ssl_ctx));
    if (unix_seconds > 0) X509_VERIFY_PARAM_set_time(param, unix_seconds);
    X509_STORE_CTX_set_verify_cb(store, OnVerifyAlone);
    X509_STORE_CTX_set_app_data(store, verdict);
    good = X509_verify_cert(store) == 1 && verdict->refusal.error == X509_V_OK;
  }
  X509_STORE_CTX_free(store);
  return good;
}

napi_value DescribeRefusal(napi_env env, const Refusal& refusal) {
  return JsObject(env)
      .Set("error", refusal.error)
      .Set("depth", refusal.depth)
      .Set("text", refusal.text)
      .Set("subject", refusal.subject)
      .Set("issuer", refusal.issuer)
      .Set("commonName", refusal.common_name)
      .Set("notBefore", refusal.not_before)
      .Set("notAfter", refusal.not_after)
      .Set("crlNextUpdate", refusal.crl_next_update)
      .value();
}

napi_value DescribeWarnings(napi_env env, const Verdict& verdict) {
  napi_value list = nullptr;
  napi_create_array(env, &list);
  for (uint32_t i = 0; i < verdict.warnings.size(); i++) {
    const StaleCrl& crl = verdict.warnings[i];
    JsObject warning(env);
    warning.Set("missing", crl.missing).Set("issuer", crl.issuer).Set("nextUpdate", crl.next_update);
    napi_set_element(env, list, i, warning.value());
  }
  return list;
}

}  // namespace culvert
