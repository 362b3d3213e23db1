// What the addon gives JavaScript; one file of functions each. Results are a value, or -errno where that is said.
#ifndef CULVERT_TUN_FUNCTIONS_H_
#define CULVERT_TUN_FUNCTIONS_H_

#include <node_api.h>

namespace culvert {

// device.cc: the descriptor and what TUN's own ioctls set.
napi_value OpenClone(napi_env env, napi_callback_info info);      // openClone(): fd or -errno
napi_value Adopt(napi_env env, napi_callback_info info);          // adopt(fd): 0 or -errno
napi_value Release(napi_env env, napi_callback_info info);        // release(fd)
napi_value Attach(napi_env env, napi_callback_info info);         // attach(fd, name, flags): 0 or -errno
napi_value NameOf(napi_env env, napi_callback_info info);         // nameOf(fd): string or -errno
napi_value FlagsOf(napi_env env, napi_callback_info info);        // flagsOf(fd): number or -errno
napi_value SetPersist(napi_env env, napi_callback_info info);     // setPersist(fd, 0 | 1): 0 or -errno
napi_value SetOffload(napi_env env, napi_callback_info info);     // setOffload(fd, bits): 0 or -errno
napi_value SetHeaderSize(napi_env env, napi_callback_info info);  // setHeaderSize(fd, bytes): 0 or -errno

// interface.cc: what any network interface has.
napi_value GetMtu(napi_env env, napi_callback_info info);  // getMtu(fd): bytes or -errno
napi_value SetMtu(napi_env env, napi_callback_info info);  // setMtu(fd, bytes): 0 or -errno
napi_value SetUp(napi_env env, napi_callback_info info);   // setUp(fd, 0 | 1): 0 or -errno

// packets.cc: the packet path.
napi_value ReadBatch(napi_env env, napi_callback_info info);
napi_value WriteBatch(napi_env env, napi_callback_info info);

}  // namespace culvert

#endif  // CULVERT_TUN_FUNCTIONS_H_
