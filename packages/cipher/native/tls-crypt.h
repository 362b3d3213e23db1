// OpenVPN's protection of control packets: HMAC-SHA256 over everything, whose first half is the counter of AES-256-CTR.
#pragma once

#include "napi.h"

namespace culvert {

void ExportTlsCrypt(napi_env env, napi_value exports);

}  // namespace culvert
