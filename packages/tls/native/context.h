// One role's certificates, keys and policy: what every engine of it shares.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "napi.h"

namespace culvert {

enum class NameRule { kAny, kExact, kPrefix };

struct Policy {
  bool server = false;
  // The peer's certificate must carry an extended key usage that fits its role, not merely carry none that does not.
  bool usage_required = true;
  // A CRL that has expired, or is missing for the issuer of the peer's certificate, refuses.
  bool stale_crl_refuses = false;
  NameRule name_rule = NameRule::kAny;
  std::string name;
};

struct Context {
  static constexpr napi_type_tag kTag = {0x1c5ae2ad47b94f0e, 0x8f0c6f1b6f6e3d21};

  Policy policy;
  SSL_CTX* ssl_ctx = nullptr;
  STACK_OF(X509) * cas = nullptr;
  STACK_OF(X509_CRL) * crls = nullptr;

  ~Context();
};

void ExportContext(napi_env env, napi_value exports);

}  // namespace culvert
