/* ovi/engine.h - the one door into the Ovi generator.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * A C interface, so that a host needs neither LibTorch nor C++ to be built
 * against it and can open the library on demand. Call ovi_engine_abi_version()
 * first and refuse a library that answers another number than OVI_ENGINE_ABI.
 *
 * Every struct starts with `size`: set it to sizeof of the struct as you were
 * compiled; the library never reads or writes beyond it.
 * Strings are UTF-8 and borrowed for the length of the call.
 * No function lets a C++ exception out. None is called back after it returned.
 * An ovi_engine may be used from one thread at a time; an ovi_cancel from any.
 */
#ifndef OVI_ENGINE_H
#define OVI_ENGINE_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define OVI_API __attribute__((visibility("default")))
#else
#define OVI_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define OVI_ENGINE_ABI 1u

/* What went wrong, by what a user can do about it. */
typedef enum ovi_status {
  OVI_OK = 0,
  OVI_CANCELLED,      /* ovi_cancel_trigger() was called */
  OVI_NOT_FOUND,      /* a file, folder or device is not there */
  OVI_NOT_AUTHORIZED, /* it is there, but may not be read */
  OVI_OPEN_READ,      /* it cannot be opened */
  OVI_READ,           /* it is truncated or damaged */
  OVI_FORMAT,         /* it is whole, but not what is needed (layout, shape, dtype, NaN) */
  OVI_LIBRARY_INIT,   /* a library is missing or of the wrong version */
  OVI_NO_SPACE,       /* out of device or host memory */
  OVI_SETTINGS,       /* a setting is out of range or does not fit the others */
  OVI_FAILED,         /* anything else */
  OVI_RANK_GONE       /* of devices "ranks": one has ended, hangs or never came; nothing is made
                         any more before all are started again */
} ovi_status;

/* Filled when a function returns neither OVI_OK nor OVI_CANCELLED. */
typedef struct ovi_error {
  uint32_t size;
  ovi_status status;
  char message[1024]; /* one sentence for the user: what, and the way out */
  char detail[3072];  /* for the log: where, expected and found */
} ovi_error;

typedef enum ovi_variant {
  OVI_VARIANT_AUTO = 0, /* the best one whose checkpoint is in the folder */
  OVI_VARIANT_720X720_5S,
  OVI_VARIANT_960X960_5S,
  OVI_VARIANT_960X960_10S
} ovi_variant;

typedef enum ovi_solver {
  OVI_SOLVER_UNIPC = 0,
  OVI_SOLVER_DPMPP,
  OVI_SOLVER_EULER
} ovi_solver;

typedef enum ovi_precision {
  OVI_PRECISION_AUTO = 0, /* fp32 on a CPU, bf16 on a GPU */
  OVI_PRECISION_FP32,
  OVI_PRECISION_BF16,
  OVI_PRECISION_FP8 /* bf16, the transformer's large matrix products in 8 bits (e4m3) */
} ovi_precision;

/* Which weights stay in device memory. All plans make the same clip. */
typedef enum ovi_memory {
  OVI_MEMORY_AUTO = 0, /* the first of these that fits into free memory; resident on a CPU */
  OVI_MEMORY_RESIDENT, /* all of them */
  OVI_MEMORY_OFFLOAD,  /* those of the part that is at work; parts are read when needed */
  OVI_MEMORY_STREAM    /* two transformer blocks at a time, from host memory; no CPU */
} ovi_memory;

/* What the denoising may reuse or leave out; ovi_stats says what it did. */
typedef enum ovi_acceleration {
  OVI_ACCELERATION_NONE = 0, /* every step in full */
  OVI_ACCELERATION_BALANCED, /* guidance and residuals of earlier steps are reused, carefully */
  OVI_ACCELERATION_FAST      /* the same further, in 3 of 5 steps (10 at least) */
} ovi_acceleration;

/* Layouts are those of GStreamer's video formats of the same names. */
typedef enum ovi_pixel_format {
  OVI_PIXELS_RGB = 0, /* sRGB, 3 bytes a pixel */
  OVI_PIXELS_RGBA,    /* sRGB, alpha 255 */
  OVI_PIXELS_BGRX,    /* sRGB, fourth byte 255 */
  OVI_PIXELS_I420,    /* BT.709, limited range */
  OVI_PIXELS_NV12     /* BT.709, limited range */
} ovi_pixel_format;

typedef enum ovi_sample_format {
  OVI_SAMPLES_F32 = 0, /* native-endian float, nominally -1..1 */
  OVI_SAMPLES_S16      /* native-endian, clipped */
} ovi_sample_format;

/* A LoRA: a file of small matrices that are added to the transformer's when they are read. */
typedef struct ovi_lora {
  uint32_t size;
  const char *path; /* safetensors, or a torch file */
  double strength;  /* what it adds is multiplied by it; -10 .. 10, 1 is usual */
} ovi_lora;

typedef struct ovi_engine_config {
  uint32_t size;
  const char *model_path; /* folder or file, or several with ':' between them */
  ovi_variant variant;
  const char *device; /* "auto" (or NULL), "cpu", "cuda", "cuda:N" */
  ovi_precision precision;
  ovi_memory memory;
  const ovi_lora *loras; /* one after the other, of the first one's size each; they add up */
  uint32_t lora_count;   /* 0 .. 32 */
  /* One clip on several devices at once, each of them a rank: "cuda:0,cuda:1", 1, 2, 3, 4, 6 or 8
   * of them, of this machine, instead of `device`; or "ranks": those that torchrun, mpirun or srun
   * started, of which this process is rank 0, on `device`, and the others call ovi_engine_join().
   * NULL or "": `device` alone. */
  const char *devices;
} ovi_engine_config;

typedef struct ovi_request {
  uint32_t size;
  const char *prompt; /* <S>speech<E>, <AUDCAP>sound<ENDAUDCAP> or "Audio: sound" */
  const char *video_negative_prompt; /* NULL: the reference's */
  const char *audio_negative_prompt; /* NULL: the reference's */
  /* First frame, 8-bit sRGB, rows image_stride bytes apart; NULL: text only.
   * ovi_engine_plan() looks at the dimensions alone. */
  const uint8_t *image;
  uint32_t image_width, image_height; /* pixels; 0 with image set is an error */
  size_t image_stride;                /* bytes */
  uint32_t width, height; /* text only: wished size in pixels; 0, 0: the variant's */
  int64_t seed;           /* -1: a random one; else 0 .. INT64_MAX */
  uint32_t steps;         /* 1 .. 1000 */
  double shift;           /* > 0, timestep shift of the flow schedule */
  ovi_solver solver;
  double video_guidance_scale;
  double audio_guidance_scale;
  uint32_t slg_layer; /* block the negative pass skips; 0: none */
  ovi_pixel_format pixel_format;
  ovi_sample_format sample_format;
  ovi_acceleration acceleration;
  uint32_t preview; /* a picture each so many steps, by ovi_callbacks.preview; 0: none, and no cost */
} ovi_request;

/* What a request will give, known before any weight is read. */
typedef struct ovi_plan {
  uint32_t size;
  ovi_variant variant;    /* never AUTO */
  uint32_t width, height; /* pixels, multiples of 32 */
  uint32_t frames;        /* 1 + 4 (video latents - 1) */
  uint32_t frame_rate;    /* frames per second, 24 */
  uint32_t samples;       /* 512 * audio latents, mono */
  uint32_t sample_rate;   /* Hz, 16000 */
  char variant_name[32];  /* "720x720_5s" */
  char device[32];        /* "cpu", "cuda:0" */
  char precision[16];     /* "fp32", "bf16", "fp8" */
} ovi_plan;

typedef enum ovi_stage {
  OVI_STAGE_LOAD = 0, /* weights; unit: bytes, in MiB */
  OVI_STAGE_ENCODE,   /* text and image; unit: inputs */
  OVI_STAGE_GENERATE, /* denoising; unit: steps */
  OVI_STAGE_DECODE    /* audio and video; unit: video latent frames */
} ovi_stage;

typedef struct ovi_progress {
  uint32_t size;
  ovi_stage stage;
  uint32_t done, total; /* a stage begins with 0 and ends with done == total; LOAD may come
                           again before a stage whose weights ovi_memory does not keep */
  double seconds_left;  /* of this stage; < 0: not known yet */
} ovi_progress;

/* What may go wrong with a prompt, or a model, that is no error. */
typedef enum ovi_warning_code {
  OVI_WARNING_TAGS = 0,  /* unbalanced or unknown tag */
  OVI_WARNING_NO_AUDIO,  /* no audio description */
  OVI_WARNING_TRUNCATED, /* cut at 512 tokens */
  OVI_WARNING_SETTINGS,  /* a setting that is changed or has no effect */
  OVI_WARNING_NO_SPEECH, /* nobody speaks */
  OVI_WARNING_STYLE,     /* audio tag of another variant; it is rewritten */
  OVI_WARNING_MODEL      /* a weight file seems to be downloaded in part only, or a LoRA has layers
                            that the model has not */
} ovi_warning_code;

typedef struct ovi_warning {
  uint32_t size;
  ovi_warning_code code;
  int64_t position;    /* byte offset into the prompt; -1: none */
  const char *message; /* one sentence */
} ovi_warning;

/* One finished frame in host memory, in the requested pixel format, with
 * GStreamer's default strides and plane offsets. The receiver owns it and gives
 * it back with ovi_buffer_release(owner), from any thread, at any time, even
 * after the engine is destroyed. Read-only. */
typedef struct ovi_video_frame {
  uint32_t size;
  uint32_t index; /* 0 .. plan.frames - 1, ascending */
  const uint8_t *data;
  size_t bytes;
  uint32_t planes;
  size_t offset[4]; /* bytes from data */
  int32_t stride[4]; /* bytes */
  void *owner;
} ovi_video_frame;

/* The clip's whole sound, before the first frame. Ownership as above. */
typedef struct ovi_audio {
  uint32_t size;
  const void *data;
  size_t bytes;
  uint32_t samples;
  void *owner;
} ovi_audio;

/* What the clip is about to become, after a step: small, RGB, near one frame of its middle. The
 * pixels are the library's, and gone after the call. */
typedef struct ovi_preview {
  uint32_t size;
  uint32_t step, steps;   /* after `step` of `steps` */
  uint32_t frame;         /* 0 .. plan.frames - 1 */
  uint32_t width, height; /* pixels: an eighth of the frame's */
  size_t stride;          /* bytes from row to row */
  const uint8_t *rgb;     /* sRGB, 3 bytes a pixel */
} ovi_preview;

/* Called one after the other while ovi_engine_generate() runs: on its thread for a CPU, on
 * one of the library's for a GPU. NULL members are skipped (and a buffer nobody takes is
 * released). */
typedef struct ovi_callbacks {
  uint32_t size;
  void *user;
  void (*progress)(void *user, const ovi_progress *progress);
  void (*audio)(void *user, const ovi_audio *audio);
  void (*video)(void *user, const ovi_video_frame *frame);
  void (*note)(void *user, const char *message); /* a choice and why, one sentence, for a log */
  /* As ovi_request.preview asks; on a GPU one comes while the next step runs. */
  void (*preview)(void *user, const ovi_preview *preview);
} ovi_callbacks;

/* What was really run; seconds are wall clock, 0 for a stage that was not needed. */
typedef struct ovi_stats {
  uint32_t size;
  int64_t seed;
  uint32_t steps;
  double load_seconds;
  double text_seconds;
  double image_seconds;
  double denoise_seconds;
  double audio_decode_seconds;
  double video_decode_seconds;
  double first_frame_seconds; /* from the call to the first video callback */
  double total_seconds;
  uint64_t peak_device_bytes; /* 0 on a CPU */
  uint64_t peak_host_bytes;   /* resident set of the process */
  /* Of `steps`, which may be fewer than were asked for (ovi_acceleration): */
  uint32_t full_steps;            /* computed in full */
  uint32_t guidance_reused_steps; /* without the negative pass; its effect is an earlier step's */
  uint32_t reused_steps;          /* without the model's blocks; theirs is an earlier step's */
  char acceleration[256];         /* the same in one sentence, and by which measure */
  char memory[16];                /* "resident", "offload", "stream": never "auto" */
} ovi_stats;

typedef struct ovi_engine ovi_engine;
typedef struct ovi_cancel ovi_cancel;

OVI_API uint32_t ovi_engine_abi_version(void);
OVI_API const char *ovi_engine_version(void); /* "X.Y.Z" */

/* Checks folder, files and device; reads no weights and takes no device memory. Of LoRAs it reads
 * names and shapes: OVI_FORMAT where one fits the model nowhere.
 * Engines with equal configurations share one loaded model. */
OVI_API ovi_status ovi_engine_create(const ovi_engine_config *config, ovi_engine **engine,
                                     ovi_error *error);

/* Checks the request and says what it will give, in milliseconds. `warn` (may be
 * NULL) is called for each thing a user may want to mend in the prompt, and for each weight
 * file that has large parts of zeros. */
OVI_API ovi_status ovi_engine_plan(ovi_engine *engine, const ovi_request *request, ovi_plan *plan,
                                   void (*warn)(void *user, const ovi_warning *warning),
                                   void *user, ovi_error *error);

/* Makes one clip; loads the model when it is not loaded yet. Blocks. Polls
 * `cancel` (may be NULL) at least once per model block. `stats` may be NULL. */
OVI_API ovi_status ovi_engine_generate(ovi_engine *engine, const ovi_request *request,
                                       const ovi_callbacks *callbacks, const ovi_cancel *cancel,
                                       ovi_stats *stats, ovi_error *error);

/* A rank that a launcher (torchrun, mpirun, srun) started beside rank 0. */
typedef struct ovi_join_config {
  uint32_t size;
  const char *model_path; /* where this rank has the model; NULL or "": where rank 0 has it */
  const char *device;     /* as of ovi_engine_config; "auto": the GPU of its local rank */
} ovi_join_config;

/* This process as one of the ranks of ovi_engine_config.devices "ranks", for all clips that rank 0
 * makes, until its process ends (OVI_OK) or `cancel` (may be NULL) is triggered. Blocks. The error
 * names the rank that failed, is gone, or has not come within 8 s (OVI_RANKS_PATIENCE=SECONDS). */
OVI_API ovi_status ovi_engine_join(const ovi_join_config *config, const ovi_cancel *cancel,
                                   ovi_error *error);

/* Frees the handle, and the model with the last handle that shares it. NULL is fine. */
OVI_API void ovi_engine_destroy(ovi_engine *engine);

OVI_API ovi_cancel *ovi_cancel_new(void);
OVI_API void ovi_cancel_trigger(ovi_cancel *cancel); /* stays set until reset */
OVI_API void ovi_cancel_reset(ovi_cancel *cancel);
OVI_API void ovi_cancel_free(ovi_cancel *cancel);

OVI_API void ovi_buffer_release(void *owner);

#ifdef __cplusplus
}
#endif

#endif /* OVI_ENGINE_H */
