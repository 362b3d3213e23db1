// Ciphertext goes in by `feed`, `step` says what it brought, ciphertext comes out by `take`. Nothing here waits or calls back.
#include "engine.h"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <climits>
#include <cstring>

#include "certificate.h"
#include "context.h"
#include "verify.h"

namespace culvert {
namespace {

// What `step` returns when it is not plaintext.
enum Step { kWaiting = 0, kSecure = 1, kEnded = 2, kFailed = 3 };

// RFC 8446, section 5.1.
constexpr size_t kMaxPlaintext = 16384;

struct Alert {
  bool from_peer = false;
  int number = -1;
};

struct Engine : Verdict {
  static constexpr napi_type_tag kTag = {0x53d8cbb4d6f64e6a, 0xb21f3a0b4a1c97e3};

  std::shared_ptr<Context> context;
  SSL* ssl = nullptr;
  BIO* in = nullptr;   // owned by ssl
  BIO* out = nullptr;  // owned by ssl
  bool secure = false;
  bool failed = false;
  Alert alert;
  unsigned long error = 0;  // OpenSSL's first error of the step that failed

  ~Engine() { SSL_free(ssl); }
};

// An alert that ends the session, whichever way it went: close_notify and the user's goodbye do not.
void OnInfo(const SSL* ssl, int where, int value) {
  if ((where & SSL_CB_ALERT) == 0) return;
  const int number = value & 0xff;
  auto* verdict = static_cast<Verdict*>(SSL_get_app_data(ssl));
  if (verdict == nullptr || number == SSL_AD_CLOSE_NOTIFY || number == SSL_AD_USER_CANCELLED) return;
  static_cast<Engine*>(verdict)->alert = {(where & SSL_CB_READ) != 0, number};
}

// newEngine(context)
napi_value NewEngine(napi_env env, napi_callback_info info) {
  napi_value v[1];
  std::shared_ptr<Context>* context = nullptr;
  if (!GetArguments(env, info, v) || (context = Unwrap<Context>(env, v[0])) == nullptr || *context == nullptr)
    return ThrowType(env, "newEngine(context)");
  auto engine = std::make_shared<Engine>();
  engine->context = *context;
  engine->policy = &engine->context->policy;
  engine->ssl = SSL_new(engine->context->ssl_ctx);
  engine->in = BIO_new(BIO_s_mem());
  engine->out = BIO_new(BIO_s_mem());
  if (engine->ssl == nullptr || engine->in == nullptr || engine->out == nullptr) {
    BIO_free(engine->in);
    BIO_free(engine->out);
    return ThrowType(env, "OpenSSL gives no session");
  }
  SSL_set_bio(engine->ssl, engine->in, engine->out);
  SSL_set_app_data(engine->ssl, static_cast<Verdict*>(engine.get()));
  SSL_set_info_callback(engine->ssl, OnInfo);
  if (engine->policy->server) {
    SSL_set_accept_state(engine->ssl);
  } else {
    SSL_set_connect_state(engine->ssl);
  }
  return Wrap(env, std::move(engine));
}

Engine* GetEngine(napi_env env, napi_value value) { return GetOpen<Engine>(env, value); }

// feed(engine, bytes): ciphertext for the next steps. False when it was not taken.
napi_value Feed(napi_env env, napi_callback_info info) {
  napi_value v[2];
  Engine* engine = nullptr;
  Bytes bytes;
  if (!GetArguments(env, info, v) || (engine = GetEngine(env, v[0])) == nullptr || !Get(env, v[1], &bytes))
    return ThrowType(env, "feed(engine, bytes)");
  if (bytes.size == 0) return Js(env, true);
  if (bytes.size > INT_MAX) return Js(env, false);
  return Js(env, BIO_write(engine->in, bytes.data, static_cast<int>(bytes.size)) == static_cast<int>(bytes.size));
}

napi_value StepIs(napi_env env, Step step) { return Js(env, static_cast<double>(step)); }

napi_value Fail(napi_env env, Engine* engine) {
  engine->failed = true;
  engine->error = ERR_peek_error();
  ERR_clear_error();
  return StepIs(env, kFailed);
}

napi_value Handshake(napi_env env, Engine* engine) {
  const int done = SSL_do_handshake(engine->ssl);
  if (done == 1) {
    engine->secure = true;
    return StepIs(env, kSecure);
  }
  return SSL_get_error(engine->ssl, done) == SSL_ERROR_WANT_READ ? StepIs(env, kWaiting) : Fail(env, engine);
}

napi_value ReadRecord(napi_env env, Engine* engine) {
  uint8_t plaintext[kMaxPlaintext];
  const int size = SSL_read(engine->ssl, plaintext, sizeof(plaintext));
  if (size > 0) {
    uint8_t* copy = nullptr;
    napi_value bytes = JsBytes(env, static_cast<size_t>(size), &copy);
    if (bytes != nullptr) memcpy(copy, plaintext, static_cast<size_t>(size));
    OPENSSL_cleanse(plaintext, static_cast<size_t>(size));
    return bytes;
  }
  switch (SSL_get_error(engine->ssl, size)) {
    case SSL_ERROR_WANT_READ: return StepIs(env, kWaiting);
    case SSL_ERROR_ZERO_RETURN: return StepIs(env, kEnded);
    default: return Fail(env, engine);
  }
}

// step(engine, now: Unix seconds for certificates, or 0 for the system's clock): what what was fed brings next, a record's
// plaintext as Uint8Array, or a Step. Call until it says kWaiting, kEnded or kFailed.
napi_value NextStep(napi_env env, napi_callback_info info) {
  napi_value v[2];
  Engine* engine = nullptr;
  double now = 0;
  if (!GetArguments(env, info, v) || (engine = GetEngine(env, v[0])) == nullptr || !Get(env, v[1], &now))
    return ThrowType(env, "step(engine, now)");
  if (engine->failed) return StepIs(env, kFailed);
  ERR_clear_error();
  engine->alert = {};
  if (engine->secure) return ReadRecord(env, engine);
  if (now > 0) X509_VERIFY_PARAM_set_time(SSL_get0_param(engine->ssl), static_cast<time_t>(now));
  return Handshake(env, engine);
}

// write(engine, bytes: 1 to 16384): whether it became a record.
napi_value Write(napi_env env, napi_callback_info info) {
  napi_value v[2];
  Engine* engine = nullptr;
  Bytes bytes;
  if (!GetArguments(env, info, v) || (engine = GetEngine(env, v[0])) == nullptr || !Get(env, v[1], &bytes) ||
      bytes.size == 0 || bytes.size > kMaxPlaintext)
    return ThrowType(env, "write(engine, bytes)");
  if (!engine->secure || engine->failed) return Js(env, false);
  ERR_clear_error();
  engine->alert = {};
  const int size = static_cast<int>(bytes.size);
  const bool written = SSL_write(engine->ssl, bytes.data, size) == size;
  if (!written) Fail(env, engine);
  return Js(env, written);
}

// end(engine): close_notify, once the handshake is done.
napi_value End(napi_env env, napi_callback_info info) {
  napi_value v[1];
  Engine* engine = nullptr;
  if (!GetArguments(env, info, v) || (engine = GetEngine(env, v[0])) == nullptr) return ThrowType(env, "end(engine)");
  if (engine->secure && !engine->failed) SSL_shutdown(engine->ssl);
  ERR_clear_error();
  return nullptr;
}

// pending(engine): bytes that wait for `take`.
napi_value Pending(napi_env env, napi_callback_info info) {
  napi_value v[1];
  Engine* engine = nullptr;
  if (!GetArguments(env, info, v) || (engine = GetEngine(env, v[0])) == nullptr)
    return ThrowType(env, "pending(engine)");
  return Js(env, static_cast<double>(BIO_ctrl_pending(engine->out)));
}

// take(engine, limit): the next bytes for the peer, at most `limit` of them, or undefined.
napi_value Take(napi_env env, napi_callback_info info) {
  napi_value v[2];
  Engine* engine = nullptr;
  double limit = 0;
  if (!GetArguments(env, info, v) || (engine = GetEngine(env, v[0])) == nullptr || !Get(env, v[1], &limit))
    return ThrowType(env, "take(engine, limit)");
  size_t size = BIO_ctrl_pending(engine->out);
  if (!(limit >= static_cast<double>(size))) size = limit > 0 ? static_cast<size_t>(limit) : 0;
  if (size == 0) return nullptr;
  uint8_t* data = nullptr;
  napi_value bytes = JsBytes(env, size, &data);
  if (bytes != nullptr) BIO_read(engine->out, data, static_cast<int>(size));
  return bytes;
}

// session(engine): { protocol, cipher, resumed, warnings, certificate: description or undefined }, after kSecure
napi_value Session(napi_env env, napi_callback_info info) {
  napi_value v[1];
  Engine* engine = nullptr;
  if (!GetArguments(env, info, v) || (engine = GetEngine(env, v[0])) == nullptr || !engine->secure)
    return ThrowType(env, "session(engine)");
  JsObject session(env);
  session.Set("protocol", SSL_get_version(engine->ssl))
      .Set("cipher", SSL_get_cipher_name(engine->ssl))
      .Set("resumed", SSL_session_reused(engine->ssl) == 1)
      .Set("warnings", DescribeWarnings(env, *engine));
  if (const X509* certificate = SSL_get0_peer_certificate(engine->ssl))
    session.Set("certificate", DescribeCertificate(env, certificate));
  return session.value();
}

// failure(engine): { code: SSL_R_* or 0, text, alert?: { fromPeer, number }, refusal?: the certificate's }, after kFailed
napi_value Failure(napi_env env, napi_callback_info info) {
  napi_value v[1];
  Engine* engine = nullptr;
  if (!GetArguments(env, info, v) || (engine = GetEngine(env, v[0])) == nullptr || !engine->failed)
    return ThrowType(env, "failure(engine)");
  const char* text = engine->error == 0 ? nullptr : ERR_reason_error_string(engine->error);
  const bool is_ssl = ERR_GET_LIB(engine->error) == ERR_LIB_SSL;
  JsObject failure(env);
  failure.Set("code", is_ssl ? ERR_GET_REASON(engine->error) : 0).Set("text", text == nullptr ? "no reason given" : text);
  if (engine->alert.number >= 0) {
    JsObject alert(env);
    alert.Set("fromPeer", engine->alert.from_peer).Set("number", engine->alert.number);
    failure.Set("alert", alert.value());
  }
  if (engine->refusal.error != X509_V_OK) failure.Set("refusal", DescribeRefusal(env, engine->refusal));
  return failure.value();
}

// exportKeyingMaterial(engine, label, length, context?): RFC 5705, or undefined when OpenSSL refuses
napi_value ExportKeyingMaterial(napi_env env, napi_callback_info info) {
  napi_value v[4];
  napi_valuetype type = napi_undefined;
  Engine* engine = nullptr;
  std::string label;
  int32_t length = 0;
  Bytes context;
  if (!GetArguments(env, info, v) || (engine = GetEngine(env, v[0])) == nullptr || !Get(env, v[1], &label) ||
      !Get(env, v[2], &length) || length < 1 || length > static_cast<int32_t>(kMaxPlaintext) ||
      napi_typeof(env, v[3], &type) != napi_ok || (type != napi_undefined && !Get(env, v[3], &context)))
    return ThrowType(env, "exportKeyingMaterial(engine, label, length, context?)");
  if (!engine->secure) return nullptr;
  uint8_t* data = nullptr;
  napi_value bytes = JsBytes(env, static_cast<size_t>(length), &data);
  if (bytes == nullptr) return nullptr;
  const int done = SSL_export_keying_material(engine->ssl, data, static_cast<size_t>(length), label.data(),
                                              label.size(), context.data, context.size, type != napi_undefined);
  ERR_clear_error();
  return done == 1 ? bytes : nullptr;
}

// closeEngine(engine): frees it now, not when the collector comes by. Harmless when repeated.
napi_value CloseEngine(napi_env env, napi_callback_info info) {
  napi_value v[1];
  std::shared_ptr<Engine>* box = nullptr;
  if (!GetArguments(env, info, v) || (box = Unwrap<Engine>(env, v[0])) == nullptr)
    return ThrowType(env, "closeEngine(engine)");
  box->reset();
  return nullptr;
}

}  // namespace

void ExportEngine(napi_env env, napi_value exports) {
  Export(env, exports, "newEngine", NewEngine);
  Export(env, exports, "feed", Feed);
  Export(env, exports, "step", NextStep);
  Export(env, exports, "write", Write);
  Export(env, exports, "end", End);
  Export(env, exports, "pending", Pending);
  Export(env, exports, "take", Take);
  Export(env, exports, "session", Session);
  Export(env, exports, "failure", Failure);
  Export(env, exports, "exportKeyingMaterial", ExportKeyingMaterial);
  Export(env, exports, "closeEngine", CloseEngine);
}

}  // namespace culvert
