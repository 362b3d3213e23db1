// The certificate policy, inside OpenSSL's own verification, so that the peer gets the alert that fits.
#pragma once

#include <openssl/ssl.h>

#include <ctime>
#include <string>
#include <vector>

#include "context.h"

namespace culvert {

// Why a peer's certificate was refused, for people: the numbers of X509_V_ERR_*, and what the certificate at fault says.
struct Refusal {
  int error = 0;  // X509_V_OK while nothing was refused
  int depth = 0;
  std::string text;  // OpenSSL's own words
  std::string subject;
  std::string issuer;
  std::string common_name;
  double not_before = 0;
  double not_after = 0;
  double crl_next_update = 0;
};

// A stale CRL that was let pass.
struct StaleCrl {
  bool missing = false;
  std::string issuer;
  double next_update = 0;
};

// What verification leaves behind. Warnings count only once the handshake is done: before, anyone can cause them.
struct Verdict {
  const Policy* policy = nullptr;
  Refusal refusal;
  std::vector<StaleCrl> warnings;
};

// The Verdict of an engine hangs on its SSL as app data.
int OnVerify(int ok, X509_STORE_CTX* store);

// The same policy without a handshake: whether `chain` (DER, the peer's certificate first) leads to a CA of the context.
// `unix_seconds` 0: the system's time. What it leaves behind is in `verdict`. False with no refusal: OpenSSL could not begin.
bool VerifyChain(const Context& context, STACK_OF(X509) * chain, time_t unix_seconds, Verdict* verdict);

napi_value DescribeRefusal(napi_env env, const Refusal& refusal);
napi_value DescribeWarnings(napi_env env, const Verdict& verdict);

}  // namespace culvert
