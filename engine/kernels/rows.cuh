// Kernels that reduce over a row, such as norms: how the threads of a row work
// together, on the GPU and, one after the other, on the host.
//
// A body is a struct with
//   using Value = ...;                     the element type that is loaded
//   static constexpr int kNarrow = ...;    elements a thread takes where rows are not aligned
//   template <int kWidth, int kSlots, typename Team>
//   OVI_PORTABLE void row(int64_t row, Team& team) const;
// Thread t of a row's team owns the elements (t + slot * threads) * kWidth ... + kWidth - 1
// for every slot, and holds them in registers between the passes over the row.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/portable.cuh"
#ifdef __CUDACC__
#include "kernels/start.cuh"
#endif

namespace ovi::kernels {

/// What each thread of a team holds: kCount floats. Registers on the GPU.
template <int kThreads, int kCount>
struct Held {
#ifdef __CUDA_ARCH__
  float values[kCount];
  OVI_PORTABLE float* operator[](int) { return values; }
  OVI_PORTABLE const float* operator[](int) const { return values; }
#else
  float values[kThreads][kCount];
  OVI_PORTABLE float* operator[](int thread) { return values[thread]; }
  OVI_PORTABLE const float* operator[](int thread) const { return values[thread]; }
#endif
};

/// The threads of one row. Every function takes `f(thread)`, what a thread does; all
/// threads have done it when the function returns.
template <int kThreadCount>
struct Team {
  static constexpr int kThreads = kThreadCount;

#ifdef __CUDA_ARCH__
  template <typename F>
  OVI_PORTABLE void each(F f) {
    f(static_cast<int>(threadIdx.x % kThreads));
  }
  template <typename F>
  OVI_PORTABLE float sum(F f) {
    return reduce(f, [](float a, float b) { return a + b; });
  }
  template <typename F>
  OVI_PORTABLE float max(F f) {
    return reduce(f, [](float a, float b) { return fmaxf(a, b); });
  }

 private:
  template <typename F, typename Combine>
  OVI_PORTABLE float reduce(F f, Combine combine) {
    float value = f(static_cast<int>(threadIdx.x % kThreads));
    for (int step = 16; step > 0; step /= 2)
      value = combine(value, __shfl_xor_sync(0xffffffffu, value, step));
    if constexpr (kThreads > 32) {
      __shared__ float of_warp[kThreads / 32];
      __syncthreads();  // the last reduction has been read by all
      if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = value;
      __syncthreads();
      value = of_warp[0];
      for (int warp = 1; warp < kThreads / 32; ++warp) value = combine(value, of_warp[warp]);
    }
    return value;
  }
#else
  template <typename F>
  OVI_PORTABLE void each(F f) {
    for (int thread = 0; thread < kThreads; ++thread) f(thread);
  }
  template <typename F>
  OVI_PORTABLE float sum(F f) {
    float total = 0;
    for (int thread = 0; thread < kThreads; ++thread) total += f(thread);
    return total;
  }
  template <typename F>
  OVI_PORTABLE float max(F f) {
    float largest = f(0);
    for (int thread = 1; thread < kThreads; ++thread) largest = ::fmaxf(largest, f(thread));
    return largest;
  }
#endif
};

/// Calls f(first element, slot) for what `thread` owns of a row of `dim` elements.
template <int kWidth, int kSlots, int kThreads, typename F>
OVI_PORTABLE void for_each_slot(int thread, int64_t dim, F f) {
#ifdef __CUDA_ARCH__
#pragma unroll
#endif
  for (int slot = 0; slot < kSlots; ++slot) {
    const int64_t first = (static_cast<int64_t>(slot) * kThreads + thread) * kWidth;
#ifdef __CUDA_ARCH__
    if (first < dim) f(first, slot);
#else
    if (first >= dim) break;
    f(first, slot);
#endif
  }
}

/// Fills `held` with the floats of a row, as load(first element) gives its packs, and returns
/// the sum of their squares to every thread.
template <int kWidth, int kSlots, typename TeamOf, typename HeldOf, typename Load>
OVI_PORTABLE float hold_and_sum_squares(TeamOf& team, HeldOf& held, int64_t dim, Load load) {
  return team.sum([&](int thread) {
    float total[kWidth] = {};
    for_each_slot<kWidth, kSlots, TeamOf::kThreads>(thread, dim, [&](int64_t first, int slot) {
      float* values = held[thread] + slot * kWidth;
      const auto pack = load(first);
      for (int i = 0; i < kWidth; ++i) {
        values[i] = portable::to_float(pack.v[i]);
        total[i] += values[i] * values[i];
      }
    });
    for (int i = 1; i < kWidth; ++i) total[0] += total[i];
    return total[0];
  });
}

template <int kWidthOf, int kThreadsOf, int kSlotsOf>
struct RowShape {
  static constexpr int kWidth = kWidthOf, kThreads = kThreadsOf, kSlots = kSlotsOf;
};

/// Calls use(RowShape) with the team that fits rows of `dim` elements; false when they
/// are too long. `aligned`: every row of every tensor starts on 16 bytes.
template <typename Body, typename Use>
bool with_row_shape(int64_t dim, bool aligned, Use use) {
  constexpr int kWide = portable::kWide<typename Body::Value>, kNarrow = Body::kNarrow;
  if (aligned && dim % kWide == 0) {
    const int64_t loads = dim / kWide;
    if (loads <= 32)
      use(RowShape<kWide, 32, 1>());
    else if (loads <= 32 * 4)
      use(RowShape<kWide, 32, 4>());
    else if (loads <= 128 * 3)
      use(RowShape<kWide, 128, 3>());
    else if (loads <= 256 * 8)
      use(RowShape<kWide, 256, 8>());
    else
      return false;
    return true;
  }
  if (dim % kNarrow != 0 || dim / kNarrow > 256 * 16) return false;
  use(RowShape<kNarrow, 256, 16>());
  return true;
}

template <typename Body>
bool row_fits(int64_t dim, bool aligned) {
  return with_row_shape<Body>(dim, aligned, [](auto) {});
}

/// Rows begin ... end - 1 on the host; false as above.
template <typename Body>
bool run_rows(const Body& body, int64_t begin, int64_t end, int64_t dim, bool aligned) {
  return with_row_shape<Body>(dim, aligned, [&](auto shape) {
    using Shape = decltype(shape);
    Team<Shape::kThreads> team;
    for (int64_t row = begin; row < end; ++row)
      body.template row<Shape::kWidth, Shape::kSlots>(row, team);
  });
}

/// The host's own shape, for speed: one thread, whole vector registers, no alignment asked.
struct HostRowShape : RowShape<16, 1, 512> {
  static bool fits(int64_t dim) { return dim % kWidth == 0 && dim <= kWidth * kSlots; }
};

/// Rows begin ... end - 1 of a fitting dim.
template <typename Body>
OVI_PORTABLE void run_rows_fast(const Body& body, int64_t begin, int64_t end) {
  Team<1> team;
  for (int64_t row = begin; row < end; ++row)
    body.template row<HostRowShape::kWidth, HostRowShape::kSlots>(row, team);
}

#ifdef __CUDACC__
template <typename Body, typename Shape>
__global__ void __launch_bounds__(Shape::kThreads > 128 ? Shape::kThreads : 128)
    rows_kernel(Body body, int64_t rows) {
  constexpr int kTeams = Shape::kThreads < 128 ? 128 / Shape::kThreads : 1;  // a block
  Team<Shape::kThreads> team;
  const int64_t step = static_cast<int64_t>(gridDim.x) * kTeams;
  for (int64_t row = static_cast<int64_t>(blockIdx.x) * kTeams + threadIdx.x / Shape::kThreads;
       row < rows; row += step)
    body.template row<Shape::kWidth, Shape::kSlots>(row, team);
}

/// Starts the body on `rows` rows; a CUDA error code, or cudaErrorInvalidValue when rows
/// are too long.
template <typename Body>
cudaError_t launch_rows(const Body& body, int64_t rows, int64_t dim, bool aligned,
                        cudaStream_t stream) {
  cudaError_t error = cudaErrorInvalidValue;
  with_row_shape<Body>(dim, aligned, [&](auto shape) {
    using Shape = decltype(shape);
    constexpr int kThreads = Shape::kThreads > 128 ? Shape::kThreads : 128;
    constexpr int64_t kTeams = kThreads / Shape::kThreads;
    error = start(rows_kernel<Body, Shape>, (rows + kTeams - 1) / kTeams, kThreads, stream, body,
                  rows);
  });
  return error;
}
#endif

}  // namespace ovi::kernels
