// One role's certificates, keys and policy: what every engine of it shares.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "napi.h"

namespace culvert {

enum class NameRule { kAny, kExact, kPrefix };

// What the extended key usage of the peer's certificate must say. kOptional: none that does not fit its role. kRequired:
// one that fits. kIke: what IPsec's certificates have, for chains that come without a handshake (see IkeError).
enum class UsageRule { kOptional, kRequired, kIke };

struct Policy {
  bool server = false;
  UsageRule usage_rule = UsageRule::kRequired;
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
