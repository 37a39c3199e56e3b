// Operators of the fake device: its own for memory and copies, the CPU's for the rest.
// SPDX-License-Identifier: Apache-2.0
#include <ATen/Context.h>
#include <ATen/EmptyTensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/native/Resize.h>
#include <ATen/native/TensorFactories.h>
#include <ATen/ops/_local_scalar_dense_native.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/convolution.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_strided.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/set_native.h>
#include <ATen/ops/unfold_native.h>
#include <ATen/ops/view_as_complex_native.h>
#include <ATen/ops/view_as_real_native.h>
#include <ATen/ops/view_native.h>
#include <torch/library.h>

#include <cstring>
#include <deque>
#include <set>

#include "fake_device.h"
#include "generator.h"
#include "nn/convolution.h"
#include "registration.h"
#include "timeline.h"

namespace ovi::test::fake {
namespace {

bool is_fake(const at::Tensor& x) { return x.defined() && x.device().is_privateuseone(); }

// Bytes from the first element to the end of the last one.
size_t extent(const at::Tensor& x) {
  if (x.numel() == 0) return 0;
  int64_t last = 0;
  for (int64_t i = 0; i < x.dim(); ++i) last += (x.size(i) - 1) * x.stride(i);
  return static_cast<size_t>(last + 1) * x.element_size();
}

void touch(const at::Tensor& x, bool write, uint64_t time, const std::string& what) {
  Timeline::get().touch(x.const_data_ptr(), extent(x), write, time, what);
}

// The same memory as a CPU tensor; holds on to the storage.
at::Tensor on_host(const at::Tensor& x) {
  const c10::Storage& storage = x.storage();
  auto* keeper = new c10::Storage(storage);
  c10::DataPtr data(
      const_cast<void*>(storage.data()), keeper,
      [](void* held) { delete static_cast<c10::Storage*>(held); }, c10::kCPU);
  const c10::Storage same(c10::Storage::use_byte_size_t(), storage.nbytes(), std::move(data),
                          c10::GetAllocator(c10::kCPU), /*resizable=*/true);
  at::Tensor host = at::detail::empty_cpu({0}, x.scalar_type());
  host.unsafeGetTensorImpl()->set_storage_keep_dtype(same);
  host.unsafeGetTensorImpl()->set_sizes_and_strides(x.sizes(), x.strides(), x.storage_offset());
  return host;
}

// One operator's arguments on the host, and its results back.
class Call {
 public:
  Call(const c10::OperatorHandle& op, torch::jit::Stack* stack)
      : op_(op),
        stack_(stack),
        name_(op.schema().operator_name().name),
        time_(Timeline::get().launch()) {}
  ~Call() {
    for (Generator* generator : lent_) generator->lend(false);
  }

  void run() {
    const auto& schema = op_.schema();
    const size_t count = schema.arguments().size(), begin = stack_->size() - count;
    for (size_t i = 0; i < count; ++i) {
      const auto* alias = schema.arguments()[i].alias_info();
      c10::IValue& value = (*stack_)[begin + i];
      value = take(value, alias && alias->isWrite());
    }
    if (kNeedValues.count(name_)) Timeline::get().wait_value();
    op_.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), stack_);
    for (const Argument& argument : arguments_) {
      if (argument.written) grow(argument);
    }
    const size_t results = schema.returns().size(), first = stack_->size() - results;
    for (size_t i = 0; i < results; ++i) (*stack_)[first + i] = give((*stack_)[first + i]);
  }

 private:
  struct Argument {
    at::Tensor fake, host;
    bool written;
  };
  // Their results' values or shapes come to the host.
  inline static const std::set<std::string> kNeedValues = {
      "aten::equal", "aten::nonzero", "aten::masked_select", "aten::_unique2", "aten::unique_dim"};

  c10::IValue take(const c10::IValue& value, bool written) {
    if (value.isTensor()) return take(value.toTensor(), written);
    if (value.isTensorList()) {
      c10::List<at::Tensor> list;
      for (const at::Tensor& x : value.toTensorVector()) list.push_back(take(x, written));
      return list;
    }
    if (value.isOptionalTensorList()) {
      c10::List<std::optional<at::Tensor>> list;
      for (const std::optional<at::Tensor>& x : value.toOptionalTensorVector()) {
        list.push_back(x ? std::optional(take(*x, written)) : std::nullopt);
      }
      return list;
    }
    if (value.isDevice() && value.toDevice().is_privateuseone()) return c10::Device(c10::kCPU);
    if (value.isGenerator()) {
      const at::Generator generator = value.toGenerator();
      auto* ours = dynamic_cast<Generator*>(generator.unsafeGetGeneratorImpl());
      TORCH_CHECK(ours, name_, ": expected a generator of the fake device, found one of ",
                  generator.device());
      ours->lend(true);
      lent_.push_back(ours);
    }
    return value;
  }

  at::Tensor take(const at::Tensor& x, bool written) {
    if (!x.defined()) return x;
    if (!is_fake(x)) {
      // A lone number travels with the launch, as a kernel's parameter.
      TORCH_CHECK(x.dim() == 0 && !written,
                  "Expected all tensors to be on the same device, but found at least two devices, "
                  "fake:0 and ",
                  x.device(), "! (when checking an argument of ", name_, ")");
      return x;
    }
    touch(x, written, time_, name_);
    arguments_.push_back({x, on_host(x), written});
    return arguments_.back().host;
  }

  // An output that the operator gave another size.
  void grow(const Argument& argument) {
    const auto& [fake, host, written] = argument;
    if (host.sizes() == fake.sizes() && host.const_data_ptr() == fake.const_data_ptr()) return;
    fake.resize_(host.sizes());
    touch(fake, true, time_, name_);
    on_host(fake).copy_(host);
  }

  c10::IValue give(const c10::IValue& value) {
    if (value.isTensor()) return give(value.toTensor());
    if (value.isTensorList()) {
      c10::List<at::Tensor> list;
      for (const at::Tensor& x : value.toTensorVector()) list.push_back(give(x));
      return list;
    }
    return value;
  }

  at::Tensor give(const at::Tensor& host) {
    if (!host.defined()) return host;
    for (const Argument& argument : arguments_) {
      if (host.unsafeGetTensorImpl() == argument.host.unsafeGetTensorImpl()) return argument.fake;
    }
    for (const Argument& argument : arguments_) {
      if (host.numel() > 0 && host.storage().data() == argument.host.storage().data()) {
        return argument.fake.as_strided(host.sizes(), host.strides(), host.storage_offset());
      }
    }
    at::Tensor fake =
        at::empty_strided(host.sizes(), host.strides(), host.options().device(device()));
    touch(fake, true, time_, name_);
    on_host(fake).copy_(host);
    return fake;
  }

  const c10::OperatorHandle& op_;
  torch::jit::Stack* stack_;
  std::string name_;
  uint64_t time_;
  std::deque<Argument> arguments_;
  std::vector<Generator*> lent_;
};

void compute_on_host(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  Call(op, stack).run();
}

at::Tensor empty_memory_format(at::IntArrayRef size, std::optional<at::ScalarType> dtype,
                               std::optional<at::Layout>, std::optional<at::Device>,
                               std::optional<bool>, std::optional<at::MemoryFormat> format) {
  at::globalContext().lazyInitDevice(c10::kPrivateUse1);
  return at::detail::empty_generic(size, c10::GetAllocator(c10::kPrivateUse1),
                                   c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
                                   c10::dtype_or_default(dtype), format);
}

at::Tensor empty_strided(at::IntArrayRef size, at::IntArrayRef stride,
                         std::optional<at::ScalarType> dtype, std::optional<at::Layout>,
                         std::optional<at::Device>, std::optional<bool>) {
  at::globalContext().lazyInitDevice(c10::kPrivateUse1);
  return at::detail::empty_strided_generic(size, stride, c10::GetAllocator(c10::kPrivateUse1),
                                           c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
                                           c10::dtype_or_default(dtype));
}

// As CUDA: only bytes that lie alike on both sides, between the device and pinned memory,
// move without the host.
at::Tensor copy_from(const at::Tensor& from, const at::Tensor& to, bool non_blocking) {
  Timeline& timeline = Timeline::get();
  const uint64_t time = timeline.launch();
  if (is_fake(from) && is_fake(to)) {
    touch(from, false, time, "aten::copy_");
    touch(to, true, time, "aten::copy_");
    on_host(to).copy_(on_host(from));
    return to;
  }
  const at::Tensor& host = is_fake(from) ? to : from;
  const bool alike = from.sizes() == to.sizes() && from.scalar_type() == to.scalar_type() &&
                     from.is_contiguous() && to.is_contiguous();
  if (non_blocking && alike && from.numel() > 0 && timeline.is_pinned(host.const_data_ptr())) {
    timeline.defer(from.const_data_ptr(), to.mutable_data_ptr(), from.nbytes(), time);
    return to;
  }
  touch(from, false, time, "a copy");
  touch(to, true, time, "a copy");
  timeline.wait_copy();
  (is_fake(to) ? on_host(to) : to).copy_(is_fake(from) ? on_host(from) : from);
  return to;
}

at::Tensor copy_from_and_resize(const at::Tensor& from, const at::Tensor& to) {
  to.resize_(from.sizes());
  return copy_from(from, to, false);
}

at::Scalar local_scalar_dense(const at::Tensor& x) {
  touch(x, false, Timeline::get().launch(), "item()");
  Timeline::get().wait_value();
  return at::native::_local_scalar_dense_cpu(on_host(x));
}

const at::Tensor& resize(const at::Tensor& x, at::IntArrayRef size,
                         std::optional<at::MemoryFormat>) {
  at::native::resize_impl_cpu_(x.unsafeGetTensorImpl(), size, std::nullopt);
  return x;
}

void record_stream(at::Tensor& x, c10::Stream stream) {
  Timeline::get().record_stream(x.storage().data(), static_cast<int>(stream.id()));
}

// oneDNN has 8-bit products for few processors; for the others it takes a hundred times as long.
at::Tensor scaled_mm(const at::Tensor& a, const at::Tensor& b, const at::Tensor& a_scale,
                     const at::Tensor& b_scale, const std::optional<at::Tensor>& bias,
                     const std::optional<at::Tensor>&, std::optional<at::ScalarType> dtype, bool) {
  const uint64_t time = Timeline::get().launch();
  for (const at::Tensor* x : {&a, &b, &a_scale, &b_scale}) touch(*x, false, time, "_scaled_mm");
  at::Tensor product = at::matmul(on_host(a).to(at::kFloat), on_host(b).to(at::kFloat));
  product = product.mul(on_host(a_scale)).mul(on_host(b_scale));
  if (bias) {
    touch(*bias, false, time, "_scaled_mm");
    product = product.add(on_host(*bias));
  }
  at::Tensor out = at::empty(product.sizes(), a.options().dtype(dtype.value_or(a.scalar_type())));
  touch(out, true, time, "_scaled_mm");
  on_host(out).copy_(product);
  return out;
}

// In bfloat16 as the engine does it on this CPU, so that clips of both are the same.
at::Tensor convolution(const at::Tensor& x, const at::Tensor& weight,
                       const std::optional<at::Tensor>& bias, at::IntArrayRef stride,
                       at::IntArrayRef padding, at::IntArrayRef dilation, bool transposed,
                       at::IntArrayRef output_padding, int64_t groups) {
  const uint64_t time = Timeline::get().launch();
  for (const at::Tensor* one : {&x, &weight}) touch(*one, false, time, "convolution");
  if (bias && bias->defined()) touch(*bias, false, time, "convolution");
  const std::optional<at::Tensor> host_bias =
      bias && bias->defined() ? std::optional<at::Tensor>(on_host(*bias)) : std::nullopt;
  const at::Tensor made =
      transposed ? at::convolution(on_host(x), on_host(weight), host_bias, stride, padding,
                                   dilation, transposed, output_padding, groups)
                 : nn::convolve(on_host(x), on_host(weight), host_bias.value_or(at::Tensor()),
                                stride, padding, dilation, groups);
  at::Tensor out = at::empty_strided(made.sizes(), made.strides(), x.options());
  touch(out, true, time, "convolution");
  on_host(out).copy_(made);
  return out;
}

// Composed of others they would take other paths than on the CPU, or need more memory
// than a GPU's kernels.
constexpr const char* kWhole[] = {"linear", "scaled_dot_product_attention", "layer_norm",
                                  "rms_norm"};

}  // namespace

void register_operators() {
  using torch::CppFunction;
  static auto* fallback = new torch::Library(torch::Library::IMPL, "_",
                                             c10::DispatchKey::PrivateUse1, __FILE__, __LINE__);
  fallback->fallback(CppFunction::makeFromBoxedFunction<&compute_on_host>());
  static auto* own = new torch::Library(torch::Library::IMPL, "aten", c10::DispatchKey::PrivateUse1,
                                        __FILE__, __LINE__);
  own->impl("empty.memory_format", TORCH_FN(empty_memory_format));
  own->impl("empty_strided", TORCH_FN(empty_strided));
  own->impl("as_strided", TORCH_FN(at::native::as_strided_tensorimpl));
  own->impl("view", TORCH_FN(at::native::view));
  own->impl("_reshape_alias", TORCH_FN(at::native::_reshape_alias));
  own->impl("unfold", TORCH_FN(at::native::unfold));
  own->impl("view_as_real", TORCH_FN(at::native::view_as_real));
  own->impl("view_as_complex", TORCH_FN(at::native::view_as_complex));
  own->impl("set_.source_Tensor", TORCH_FN(at::native::set_tensor_));
  own->impl("set_.source_Storage_storage_offset", TORCH_FN(at::native::set_storage_cpu_));
  own->impl("resize_", TORCH_FN(resize));
  own->impl("_copy_from", TORCH_FN(copy_from));
  own->impl("_copy_from_and_resize", TORCH_FN(copy_from_and_resize));
  own->impl("_local_scalar_dense", TORCH_FN(local_scalar_dense));
  own->impl("record_stream", TORCH_FN(record_stream));
  own->impl("_scaled_mm", TORCH_FN(scaled_mm));
  own->impl("convolution", TORCH_FN(convolution));
  for (const char* name : kWhole) {
    own->impl(name, CppFunction::makeFromBoxedFunction<&compute_on_host>());
  }
}

}  // namespace ovi::test::fake
