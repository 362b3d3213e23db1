// What the addon gives JavaScript. Results are a value, or -errno where that is said.
#ifndef CULVERT_NETIO_FUNCTIONS_H_
#define CULVERT_NETIO_FUNCTIONS_H_

#include <node_api.h>

namespace culvert {

// address.cc: text and bytes.
napi_value ParseAddress(napi_env env, napi_callback_info info);   // parseAddress(text, words: Uint32Array(5)): 4, 6, or 0 for no address
napi_value FormatAddress(napi_env env, napi_callback_info info);  // formatAddress(version, words, at, scope): text

// socket.cc: open, bind, options.
napi_value OpenUdp(napi_env env, napi_callback_info info);
napi_value OpenRawIp(napi_env env, napi_callback_info info);
napi_value LocalOf(napi_env env, napi_callback_info info);         // localOf(fd, words: Uint32Array(6)): 0 or -errno
napi_value SetBuffer(napi_env env, napi_callback_info info);       // setBuffer(fd, receive: 0 | 1, bytes): 0 or -errno
napi_value GetBuffer(napi_env env, napi_callback_info info);       // getBuffer(fd, receive: 0 | 1): bytes or -errno
napi_value GetQueued(napi_env env, napi_callback_info info);       // getQueued(fd): bytes that wait to be read, or -errno
napi_value PrepareTrains(napi_env env, napi_callback_info info);   // prepareTrains(fd): 0 or -errno
napi_value SetCoalescing(napi_env env, napi_callback_info info);   // setCoalescing(fd, on: 0 | 1): 0 or -errno
napi_value SetSteering(napi_env env, napi_callback_info info);     // setSteering(fd, program: Uint32Array): 0 or -errno
napi_value TakeError(napi_env env, napi_callback_info info);       // takeError(fd): the pending errno, which it clears

// path-mtu.cc: what the kernel knows of a path.
napi_value PathMtu(napi_env env, napi_callback_info info);  // pathMtu(fd, version, path: Uint32Array): bytes or -errno

// thread.cc: the calling thread.
napi_value SetTimeSlice(napi_env env, napi_callback_info info);  // setTimeSlice(nanoseconds): 1, 0 where unknown, or -errno

// memory.cc: the process.
napi_value TrimMemory(napi_env env, napi_callback_info info);  // trimMemory(): 1 if pages went back to the kernel, else 0

// receive.cc (and receive-trains.cc), send.cc: the packet path.
napi_value ReceiveBatch(napi_env env, napi_callback_info info);
napi_value SendBatch(napi_env env, napi_callback_info info);
napi_value SendOne(napi_env env, napi_callback_info info);

}  // namespace culvert

#endif  // CULVERT_NETIO_FUNCTIONS_H_
