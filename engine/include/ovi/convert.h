/* ovi/convert.h - writes a model folder anew: one safetensors file a component, in fewer bits if
 * wanted, in the layout that the engine reads, to be mapped as it lies.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * A side door beside ovi/engine.h, under the same rules: ask ovi_engine_abi_version() first. A
 * library without these functions makes clips all the same.
 */
#ifndef OVI_CONVERT_H
#define OVI_CONVERT_H

#include "ovi/engine.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The types in the new files. */
typedef enum ovi_weights {
  OVI_WEIGHTS_BF16 = 0, /* what the engine asks for with OVI_PRECISION_BF16: clips equal to the bit */
  OVI_WEIGHTS_FP32,
  OVI_WEIGHTS_FP8, /* as BF16, large matrices in 8 bits (e4m3) with factors beside them */
  OVI_WEIGHTS_STORED /* as they are */
} ovi_weights;

/* Of OVI_WEIGHTS_FP8: X.scale_weight, float32, beside X.weight; X = X.weight * X.scale_weight. */
typedef enum ovi_factors {
  OVI_FACTORS_ROW = 0, /* one for each output, [out, 1] */
  OVI_FACTORS_TENSOR   /* one, [1] */
} ovi_factors;

typedef struct ovi_conversion {
  uint32_t size;
  const char *model_path; /* as of ovi_engine_config */
  ovi_variant variant;
  const char *target_path; /* folder to write to; it is made */
  ovi_weights weights;
  ovi_factors factors;
  int32_t force;  /* 1: into a folder that is there and not empty */
  int32_t verify; /* 1: what was written is read again */
  const ovi_lora *loras; /* merged into the transformer, as of ovi_engine_config; what they touch */
  uint32_t lora_count;   /* is float32 with OVI_WEIGHTS_STORED */
} ovi_conversion;

typedef struct ovi_conversion_progress {
  uint32_t size;
  const char *file;     /* that is read */
  int32_t verifying;    /* 1: it is one that was written */
  uint64_t done, total; /* bytes of all files; from 0 again for verifying */
  double seconds_left;  /* < 0: not known yet */
} ovi_conversion_progress;

/* A file that is whole and has its name. */
typedef struct ovi_converted_file {
  uint32_t size;
  const char *path;
  const char *source; /* NULL when it was only verified */
  uint64_t bytes;
  uint64_t tensors;   /* 0 where the file is no weights */
  const char *dtypes; /* of most bytes first: "fp8 (e4m3), bf16, fp32"; "" where there are none */
  const char *sha256; /* 64 digits; also in SHA256SUMS of the folder */
} ovi_converted_file;

/* Called one after the other on the caller's thread. NULL members are skipped. */
typedef struct ovi_conversion_callbacks {
  uint32_t size;
  void *user;
  void (*progress)(void *user, const ovi_conversion_progress *progress);
  void (*file)(void *user, const ovi_converted_file *file);
  void (*warning)(void *user, const char *message); /* what of a LoRA fits nothing; one sentence */
} ovi_conversion_callbacks;

/* Blocks. No file has its name before all are whole; after an error or a cancel the target is as
 * it was before. Takes a few MiB of memory beside the page cache. `callbacks` and `cancel` (which
 * is polled every few MiB) may be NULL. OVI_SETTINGS: the target is there, or is the model itself;
 * OVI_NO_SPACE: not on the disk, asked before anything is written; OVI_NOT_AUTHORIZED. */
OVI_API ovi_status ovi_engine_convert(const ovi_conversion *conversion,
                                      const ovi_conversion_callbacks *callbacks,
                                      const ovi_cancel *cancel, ovi_error *error);

/* Reads all files of a folder that was converted to and compares them with its SHA256SUMS.
 * OVI_NOT_FOUND and OVI_READ name every file that is missing, or is not as it was written. */
OVI_API ovi_status ovi_engine_verify(const char *folder, const ovi_conversion_callbacks *callbacks,
                                     const ovi_cancel *cancel, ovi_error *error);

#ifdef __cplusplus
}
#endif

#endif /* OVI_CONVERT_H */
