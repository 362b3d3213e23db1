// Each call sets one thing and says what is wrong with it, so that TypeScript can name the input at fault:
// undefined when it is done, else OpenSSL's reason as text.
#include "context.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "certificate.h"
#include "crl.h"
#include "verify.h"

namespace culvert {

Context::~Context() {
  SSL_CTX_free(ssl_ctx);
  sk_X509_pop_free(cas, X509_free);
  sk_X509_CRL_pop_free(crls, X509_CRL_free);
}

namespace {

// A peer's certificate chain in one handshake message, in bytes.
constexpr long kMaxCertificateList = 48 * 1024;
// Certificates in a chain that is verified without a handshake.
constexpr uint32_t kMaxChain = 8;

// Without a password callback OpenSSL would ask at the terminal.
int NoPassword(char*, int, int, void* asked) {
  if (asked != nullptr) *static_cast<bool*>(asked) = true;
  return -1;
}

struct PemText {
  BIO* bio;
  explicit PemText(const std::string& text) : bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))) {}
  ~PemText() { BIO_free(bio); }
};

// True when reading stopped because no further PEM block is there; the queue is then empty.
bool AtEnd() {
  const unsigned long error = ERR_peek_last_error();
  if (ERR_GET_LIB(error) != ERR_LIB_PEM || ERR_GET_REASON(error) != PEM_R_NO_START_LINE) return false;
  ERR_clear_error();
  return true;
}

// newContext(server, verifyMode: 0 none | 1 optional | 2 required, minVersion, maxVersion: TLS version numbers, 0 for none)
napi_value NewContext(napi_env env, napi_callback_info info) {
  napi_value v[4];
  bool server = false;
  int32_t verify = 0, min_version = 0, max_version = 0;
  if (!GetArguments(env, info, v) || !Get(env, v[0], &server) || !Get(env, v[1], &verify) ||
      !Get(env, v[2], &min_version) || !Get(env, v[3], &max_version))
    return ThrowType(env, "newContext(server, verifyMode, minVersion, maxVersion)");
  auto context = std::make_shared<Context>();
  context->policy.server = server;
  SSL_CTX* ctx = context->ssl_ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
  if (ctx == nullptr) return ThrowType(env, "OpenSSL gives no context");
  SSL_CTX_set_security_level(ctx, 2);
  SSL_CTX_set_min_proto_version(ctx, min_version);
  SSL_CTX_set_max_proto_version(ctx, max_version);
  // A resumed session would skip the certificate policy, and a ticket outlive a revocation: none is given or taken.
  // Certificate compression costs more than half of a handshake's time.
  SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
                               SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_TX_CERTIFICATE_COMPRESSION |
                               SSL_OP_NO_RX_CERTIFICATE_COMPRESSION);
  SSL_CTX_set_num_tickets(ctx, 0);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
  SSL_CTX_set_max_cert_list(ctx, kMaxCertificateList);
  const int modes[] = {SSL_VERIFY_NONE, SSL_VERIFY_PEER, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT};
  SSL_CTX_set_verify(ctx, modes[verify < 0 || verify > 2 ? 2 : verify], OnVerify);
  return Wrap(env, std::move(context));
}

napi_value Outcome(napi_env env, bool done) { return done ? nullptr : Js(env, TakeError()); }

// setLists(context, groups, ciphers, cipherSuites): the name of the list that OpenSSL does not know, or undefined.
napi_value SetLists(napi_env env, napi_callback_info info) {
  napi_value v[4];
  Context* context = nullptr;
  std::string groups, ciphers, suites;
  if (!GetArguments(env, info, v) || (context = GetOpen<Context>(env, v[0])) == nullptr || !Get(env, v[1], &groups) ||
      !Get(env, v[2], &ciphers) || !Get(env, v[3], &suites))
    return ThrowType(env, "setLists(context, groups, ciphers, cipherSuites)");
  const char* wrong = nullptr;
  if (SSL_CTX_set1_groups_list(context->ssl_ctx, groups.c_str()) != 1) wrong = "groups";
  if (SSL_CTX_set_cipher_list(context->ssl_ctx, ciphers.c_str()) != 1) wrong = "ciphers";
  if (SSL_CTX_set_ciphersuites(context->ssl_ctx, suites.c_str()) != 1) wrong = "cipherSuites";
  ERR_clear_error();
  return wrong == nullptr ? nullptr : Js(env, std::string(wrong));
}

// setPolicy(context, usageRule: 0 optional | 1 required | 2 IKE's, staleCrlRefuses, nameRule: 0 any | 1 exact | 2 prefix, name)
napi_value SetPolicy(napi_env env, napi_callback_info info) {
  napi_value v[5];
  Context* context = nullptr;
  int32_t usage = 0, rule = 0;
  if (!GetArguments(env, info, v) || (context = GetOpen<Context>(env, v[0])) == nullptr || !Get(env, v[1], &usage) ||
      usage < 0 || usage > 2 || !Get(env, v[2], &context->policy.stale_crl_refuses) || !Get(env, v[3], &rule) ||
      rule < 0 || rule > 2 || !Get(env, v[4], &context->policy.name))
    return ThrowType(env, "setPolicy(context, usageRule, staleCrlRefuses, nameRule, name)");
  context->policy.usage_rule = static_cast<UsageRule>(usage);
  context->policy.name_rule = static_cast<NameRule>(rule);
  return nullptr;
}

// The certificates that are trusted and the CRLs in force, as a store of their own. Null on failure.
X509_STORE* NewStore(const Context& context) {
  X509_STORE* store = X509_STORE_new();
  bool good = store != nullptr;
  for (int i = 0; good && i < sk_X509_num(context.cas); i++)
    good = X509_STORE_add_cert(store, sk_X509_value(context.cas, i)) == 1;
  for (int i = 0; good && i < sk_X509_CRL_num(context.crls); i++)
    good = X509_STORE_add_crl(store, sk_X509_CRL_value(context.crls, i)) == 1;
  if (good && sk_X509_CRL_num(context.crls) > 0)
    good = X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL) == 1;
  if (good) X509_STORE_set_check_crl(store, CheckCrl);
  if (good) return store;
  X509_STORE_free(store);
  return nullptr;
}

// Engines look the store up when they verify, so those in the middle of a handshake use the new one too.
bool InstallStore(Context* context) {
  X509_STORE* store = NewStore(*context);
  if (store == nullptr) return false;
  SSL_CTX_set_cert_store(context->ssl_ctx, store);  // takes the reference
  return true;
}

// setCa(context, pem)
napi_value SetCa(napi_env env, napi_callback_info info) {
  napi_value v[2];
  Context* context = nullptr;
  std::string pem;
  if (!GetArguments(env, info, v) || (context = GetOpen<Context>(env, v[0])) == nullptr || !Get(env, v[1], &pem))
    return ThrowType(env, "setCa(context, pem)");
  ERR_clear_error();
  PemText text(pem);
  sk_X509_pop_free(context->cas, X509_free);
  context->cas = sk_X509_new_null();
  while (X509* ca = PEM_read_bio_X509(text.bio, nullptr, NoPassword, nullptr)) {
    if (sk_X509_push(context->cas, ca) <= 0) X509_free(ca);
    // Told to the peer, so that one with several certificates shows the right one.
    if (context->policy.server) SSL_CTX_add_client_CA(context->ssl_ctx, ca);
  }
  if (!AtEnd()) return Js(env, TakeError());
  if (sk_X509_num(context->cas) == 0) return Js(env, std::string("it holds no certificate in PEM form"));
  return Outcome(env, InstallStore(context));
}

// setCertificate(context, pem: ours, then intermediates): a description of ours, or OpenSSL's reason as text
napi_value SetCertificate(napi_env env, napi_callback_info info) {
  napi_value v[2];
  Context* context = nullptr;
  std::string pem;
  if (!GetArguments(env, info, v) || (context = GetOpen<Context>(env, v[0])) == nullptr || !Get(env, v[1], &pem))
    return ThrowType(env, "setCertificate(context, pem)");
  ERR_clear_error();
  PemText text(pem);
  X509* ours = PEM_read_bio_X509(text.bio, nullptr, NoPassword, nullptr);
  if (ours == nullptr)
    return Js(env, AtEnd() ? std::string("it holds no certificate in PEM form") : TakeError());
  const bool used = SSL_CTX_use_certificate(context->ssl_ctx, ours) == 1;
  napi_value description = used ? DescribeCertificate(env, ours) : nullptr;
  X509_free(ours);
  if (!used) return Js(env, TakeError());
  while (X509* next = PEM_read_bio_X509(text.bio, nullptr, NoPassword, nullptr)) {
    const bool added = SSL_CTX_add1_chain_cert(context->ssl_ctx, next) == 1;
    X509_free(next);
    if (!added) return Js(env, TakeError());
  }
  return AtEnd() ? description : Js(env, TakeError());
}

// setPrivateKey(context, pem): undefined, or { reason: 'encrypted' | 'mismatch' | 'unusable', detail }
napi_value SetPrivateKey(napi_env env, napi_callback_info info) {
  napi_value v[2];
  Context* context = nullptr;
  std::string pem;
  if (!GetArguments(env, info, v) || (context = GetOpen<Context>(env, v[0])) == nullptr || !Get(env, v[1], &pem))
    return ThrowType(env, "setPrivateKey(context, pem)");
  ERR_clear_error();
  bool asked = false;
  EVP_PKEY* key = nullptr;
  {
    PemText text(pem);
    key = PEM_read_bio_PrivateKey(text.bio, nullptr, NoPassword, &asked);
  }
  OPENSSL_cleanse(pem.data(), pem.size());
  const char* reason = "unusable";
  if (asked) reason = "encrypted";
  // The pair is compared first: OpenSSL would drop a certificate that a new key does not fit.
  if (key != nullptr && X509_check_private_key(SSL_CTX_get0_certificate(context->ssl_ctx), key) != 1)
    reason = "mismatch";
  else if (key != nullptr && SSL_CTX_use_PrivateKey(context->ssl_ctx, key) == 1)
    reason = nullptr;
  EVP_PKEY_free(key);
  if (reason == nullptr) return nullptr;
  return JsObject(env).Set("reason", reason).Set("detail", TakeError()).value();
}

enum class Signature { kOurs, kForged, kUnknown };

// Whether one of our CAs signed the CRL; kUnknown when none has the issuer's name.
Signature SignatureOf(const Context& context, X509_CRL* crl) {
  Signature found = Signature::kUnknown;
  for (int i = 0; i < sk_X509_num(context.cas); i++) {
    X509* ca = sk_X509_value(context.cas, i);
    if (X509_NAME_cmp(X509_get_subject_name(ca), X509_CRL_get_issuer(crl)) != 0) continue;
    if (SignedBy(crl, ca)) return Signature::kOurs;
    found = Signature::kForged;
  }
  ERR_clear_error();
  return found;
}

// { issuer, nextUpdate: Unix milliseconds or 0, known: whether one of our CAs is its issuer }
napi_value DescribeCrl(napi_env env, const X509_CRL* crl, bool known) {
  return JsObject(env)
      .Set("issuer", NameText(X509_CRL_get_issuer(crl)))
      .Set("nextUpdate", UnixMillis(X509_CRL_get0_nextUpdate(crl)))
      .Set("known", known)
      .value();
}

// Reads every CRL of `pem` into `crls` and describes each in `list`. Returns what is wrong, or an empty text.
std::string ReadCrls(napi_env env, const Context& context, const std::string& pem, STACK_OF(X509_CRL) * crls,
                     napi_value list) {
  PemText text(pem);
  for (uint32_t index = 0;; index++) {
    X509_CRL* crl = PEM_read_bio_X509_CRL(text.bio, nullptr, NoPassword, nullptr);
    if (crl == nullptr) break;
    if (sk_X509_CRL_push(crls, crl) <= 0) X509_CRL_free(crl);
    const Signature signature = SignatureOf(context, crl);
    if (signature == Signature::kForged)
      return "the CRL of " + NameText(X509_CRL_get_issuer(crl)) + " was not signed by our CA of that name";
    napi_set_element(env, list, index, DescribeCrl(env, crl, signature == Signature::kOurs));
  }
  if (!AtEnd()) return TakeError();
  return sk_X509_CRL_num(crls) == 0 ? "it holds no CRL in PEM form" : "";
}

// setCrls(context, pem: one or more, or '' for none): a list of descriptions, or what is wrong as text, and then the CRLs
// before stay in force
napi_value SetCrls(napi_env env, napi_callback_info info) {
  napi_value v[2];
  napi_value list = nullptr;
  Context* context = nullptr;
  std::string pem;
  if (!GetArguments(env, info, v) || (context = GetOpen<Context>(env, v[0])) == nullptr || !Get(env, v[1], &pem))
    return ThrowType(env, "setCrls(context, pem)");
  ERR_clear_error();
  napi_create_array(env, &list);
  STACK_OF(X509_CRL)* crls = sk_X509_CRL_new_null();
  const std::string wrong = pem.empty() ? "" : ReadCrls(env, *context, pem, crls, list);
  if (wrong.empty()) std::swap(context->crls, crls);
  const bool installed = wrong.empty() && InstallStore(context);
  if (wrong.empty() && !installed) std::swap(context->crls, crls);
  sk_X509_CRL_pop_free(crls, X509_CRL_free);
  if (!wrong.empty()) return Js(env, wrong);
  return installed ? list : Js(env, TakeError());
}

// isRevoked(context, der): whether a CRL in force lists the certificate
napi_value IsRevoked(napi_env env, napi_callback_info info) {
  napi_value v[2];
  Context* context = nullptr;
  Bytes der;
  if (!GetArguments(env, info, v) || (context = GetOpen<Context>(env, v[0])) == nullptr || !Get(env, v[1], &der))
    return ThrowType(env, "isRevoked(context, der)");
  const int listed = IsListed(context->crls, der.data, der.size);
  return listed < 0 ? ThrowType(env, "isRevoked: not a certificate in DER form") : Js(env, listed == 1);
}

// The certificates of a list of DER, at most kMaxChain. Null where one is none, or there are too many or none at all.
STACK_OF(X509) * ReadChain(napi_env env, napi_value list) {
  uint32_t count = 0;
  if (napi_get_array_length(env, list, &count) != napi_ok || count == 0 || count > kMaxChain) return nullptr;
  STACK_OF(X509)* chain = sk_X509_new_null();
  for (uint32_t i = 0; chain != nullptr && i < count; i++) {
    napi_value item;
    Bytes der;
    X509* certificate = nullptr;
    if (napi_get_element(env, list, i, &item) == napi_ok && Get(env, item, &der) && der.size <= kMaxCertificateList) {
      const uint8_t* at = der.data;
      certificate = d2i_X509(nullptr, &at, static_cast<long>(der.size));
      const bool whole = certificate != nullptr && at == der.data + der.size && sk_X509_push(chain, certificate) > 0;
      if (whole) continue;
      X509_free(certificate);
    }
    sk_X509_pop_free(chain, X509_free);
    chain = nullptr;
  }
  ERR_clear_error();
  return chain;
}

// verifyChain(context, chain: DER, the peer's first, unixSeconds: 0 for the system's time):
// { warnings, certificate: its description | refusal? }, undefined for what are no certificates
napi_value VerifyPeerChain(napi_env env, napi_callback_info info) {
  napi_value v[3];
  Context* context = nullptr;
  double now = 0;
  if (!GetArguments(env, info, v) || (context = GetOpen<Context>(env, v[0])) == nullptr || !Get(env, v[2], &now))
    return ThrowType(env, "verifyChain(context, chain, unixSeconds)");
  STACK_OF(X509)* chain = ReadChain(env, v[1]);
  if (chain == nullptr) return nullptr;
  Verdict verdict;
  const bool good = VerifyChain(*context, chain, static_cast<time_t>(now), &verdict);
  JsObject outcome(env);
  outcome.Set("warnings", DescribeWarnings(env, verdict));
  if (good) outcome.Set("certificate", DescribeCertificate(env, sk_X509_value(chain, 0)));
  if (!good && verdict.refusal.error != X509_V_OK) outcome.Set("refusal", DescribeRefusal(env, verdict.refusal));
  sk_X509_pop_free(chain, X509_free);
  ERR_clear_error();
  return outcome.value();
}

// closeContext(context): engines that exist go on. Harmless when repeated.
napi_value CloseContext(napi_env env, napi_callback_info info) {
  napi_value v[1];
  std::shared_ptr<Context>* box = nullptr;
  if (!GetArguments(env, info, v) || (box = Unwrap<Context>(env, v[0])) == nullptr)
    return ThrowType(env, "closeContext(context)");
  box->reset();
  return nullptr;
}

}  // namespace

void ExportContext(napi_env env, napi_value exports) {
  Export(env, exports, "newContext", NewContext);
  Export(env, exports, "setLists", SetLists);
  Export(env, exports, "setPolicy", SetPolicy);
  Export(env, exports, "setCa", SetCa);
  Export(env, exports, "setCertificate", SetCertificate);
  Export(env, exports, "setPrivateKey", SetPrivateKey);
  Export(env, exports, "setCrls", SetCrls);
  Export(env, exports, "isRevoked", IsRevoked);
  Export(env, exports, "verifyChain", VerifyPeerChain);
  Export(env, exports, "closeContext", CloseContext);
}

}  // namespace culvert
