// The part of DLPack's C interface that is read here: who exports an array hands over a capsule
// with one of two structures. https://dmlc.github.io/dlpack/latest/c_api.html
#pragma once

#include <cstdint>

namespace wpg::bindings {

struct DLDevice {
  std::int32_t type, id;
};
inline constexpr std::int32_t kDLCUDA = 2, kDLCUDAManaged = 13;

struct DLDataType {
  std::uint8_t code, bits;
  std::uint16_t lanes;
};
inline constexpr std::uint8_t kDLInt = 0, kDLFloat = 2;

struct DLTensor {
  void* data;
  DLDevice device;
  std::int32_t ndim;
  DLDataType dtype;
  std::int64_t* shape;
  std::int64_t* strides;  // in elements; null: C-contiguous
  std::uint64_t byte_offset;
};

/// Capsule "dltensor".
struct DLManagedTensor {
  DLTensor tensor;
  void* manager;
  void (*deleter)(DLManagedTensor*);
};

/// Capsule "dltensor_versioned".
struct DLManagedTensorVersioned {
  std::uint32_t major, minor;
  void* manager;
  void (*deleter)(DLManagedTensorVersioned*);
  std::uint64_t flags;
  DLTensor tensor;
};
inline constexpr std::uint64_t kDLReadOnly = 1;

}  // namespace wpg::bindings
