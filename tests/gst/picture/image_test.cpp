// Pictures as the engine gets them: upright, without alpha, in the right colours.
// SPDX-License-Identifier: Apache-2.0
#include <glib/gstdio.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fixture.h"
#include "picture/pictures.h"

using namespace fixture;

namespace {

constexpr int kWidth = 96, kHeight = 64;

/// Four corners of different colours on a ramp, so that no turn or mirror is another's.
std::string picture(int channels) {
  std::string rgb;
  for (int y = 0; y < kHeight; ++y)
    for (int x = 0; x < kWidth; ++x) {
      const int pixel[4] = {x * 2, y * 3, x < kWidth / 2 && y < kHeight / 2 ? 200 : 60,
                            (x + y) % 256};
      for (int c = 0; c < channels; ++c) rgb.push_back(static_cast<char>(pixel[c]));
    }
  return rgb;
}

/// One frame of raw pixels through `encoder`, as bytes of a file.
std::string encode(const std::string& pixels, const char* format, const char* encoder) {
  const std::string raw = scratch_file("raw", pixels.data(), pixels.size());
  const std::string out = raw + ".out";
  const std::string line = "filesrc location=" + raw + " ! rawvideoparse format=" + format +
                           " width=" + std::to_string(kWidth) +
                           " height=" + std::to_string(kHeight) + " framerate=1/1 ! " + encoder +
                           " ! filesink location=" + out;
  GstElement* pipeline = gst_parse_launch(line.c_str(), nullptr);
  fail_unless_equals_int(play_to_end(pipeline), GST_MESSAGE_EOS);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
  char* data = nullptr;
  gsize size = 0;
  fail_unless(g_file_get_contents(out.c_str(), &data, &size, nullptr));
  std::string bytes(data, size);
  g_free(data);
  return bytes;
}

/// A JPEG with an APP1 segment that says `orientation`, behind the SOI marker.
std::string with_exif(const std::string& jpeg, int orientation, bool little) {
  const std::string body =
      little ? std::string("II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0", 18) +
                   static_cast<char>(orientation) + std::string(7, '\0')
             : std::string("MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0", 19) +
                   static_cast<char>(orientation) + std::string(6, '\0');
  const size_t length = 2 + 6 + body.size();
  return jpeg.substr(0, 2) + "\xff\xe1" + static_cast<char>(length >> 8) +
         static_cast<char>(length & 255) + std::string("Exif\0\0", 6) + body + jpeg.substr(2);
}

/// Where EXIF says pixel (x, y) of the file is seen, by the standard's words: which
/// side the 0th row and the 0th column are on.
void place(int orientation, int x, int y, int& seen_x, int& seen_y) {
  const int right = kWidth - 1 - x, bottom = kHeight - 1 - y;
  switch (orientation) {
    case 2:
      seen_x = right, seen_y = y;
      break;  // top, right
    case 3:
      seen_x = right, seen_y = bottom;
      break;  // bottom, right
    case 4:
      seen_x = x, seen_y = bottom;
      break;  // bottom, left
    case 5:
      seen_x = y, seen_y = x;
      break;  // left, top
    case 6:
      seen_x = bottom, seen_y = x;
      break;  // right, top
    case 7:
      seen_x = bottom, seen_y = right;
      break;  // right, bottom
    case 8:
      seen_x = y, seen_y = right;
      break;  // left, bottom
    default:
      seen_x = x, seen_y = y;
  }
}

}  // namespace

GST_START_TEST(png_is_exact_and_alpha_is_ignored) {
  const std::string rgb = picture(3);
  std::string png = encode(rgb, "rgb", "pngenc");
  Seen seen = seen_by_engine(scratch_file("rgb.png", png.data(), png.size()));
  fail_unless_equals_int(seen.width, kWidth);
  fail_unless_equals_int(seen.height, kHeight);
  fail_unless(seen.rgb == rgb);
  png = encode(picture(4), "rgba", "pngenc");
  seen = seen_by_engine(scratch_file("rgba.png", png.data(), png.size()));
  fail_unless(seen.rgb == rgb, "alpha changed the colours");
}
GST_END_TEST

GST_START_TEST(jpeg_is_near_the_original) {
  const std::string rgb = picture(3);
  for (const char* format : {"Y444", "I420"}) {
    const std::string encoder = std::string("videoconvert ! video/x-raw,format=") + format +
                                ",colorimetry=1:4:0:0 ! jpegenc quality=100";
    const std::string jpeg = encode(rgb, "rgb", encoder.c_str());
    const Seen seen = seen_by_engine(scratch_file("a.jpg", jpeg.data(), jpeg.size()));
    // The blue edge bleeds where chroma is halved; wrong colours would be far below.
    const double wanted = g_str_equal(format, "Y444") ? 40 : 30;
    fail_unless(psnr(seen.rgb, rgb) > wanted, "%s: %f dB", format, psnr(seen.rgb, rgb));
  }
}
GST_END_TEST

GST_START_TEST(all_orientations_are_put_right) {
  const std::string jpeg =
      encode(picture(3), "rgb",
             "videoconvert ! video/x-raw,format=Y444,colorimetry=1:4:0:0 ! jpegenc quality=100");
  const Seen plain = seen_by_engine(scratch_file("o.jpg", jpeg.data(), jpeg.size()));
  for (int orientation = 0; orientation <= 9; ++orientation) {
    const std::string turned = with_exif(jpeg, orientation, orientation % 2);
    const Seen seen = seen_by_engine(scratch_file("o.jpg", turned.data(), turned.size()));
    const bool swapped = orientation >= 5 && orientation <= 8;
    fail_unless_equals_int(seen.width, swapped ? kHeight : kWidth);
    fail_unless_equals_int(seen.height, swapped ? kWidth : kHeight);
    for (int y = 0; y < kHeight; ++y)
      for (int x = 0; x < kWidth; ++x) {
        int seen_x, seen_y;
        place(orientation, x, y, seen_x, seen_y);
        const size_t from = 3 * (size_t(y) * kWidth + size_t(x));
        const size_t to = 3 * (size_t(seen_y) * seen.width + size_t(seen_x));
        fail_unless(!memcmp(&plain.rgb[from], &seen.rgb[to], 3), "orientation %d, pixel %d, %d",
                    orientation, x, y);
      }
  }
}
GST_END_TEST

GST_START_TEST(uris_and_films_will_do) {
  const std::string rgb = picture(3);
  const std::string png = encode(rgb, "rgb", "pngenc");
  const std::string path = scratch_file("a b%20:c.png", png.data(), png.size());
  fail_unless(seen_by_engine(path).rgb == rgb);
  char* uri = gst_filename_to_uri(path.c_str(), nullptr);
  fail_unless(seen_by_engine(uri).rgb == rgb);
  g_free(uri);
  char* text = g_base64_encode(reinterpret_cast<const guchar*>(png.data()), png.size());
  fail_unless(seen_by_engine(std::string("data:image/png;base64,") + text).rgb == rgb);
  g_free(text);
  // Two frames: the first one counts.
  const std::string film = encode(rgb + std::string(rgb.size(), '\0'), "rgb", "pngenc ! avimux");
  fail_unless(seen_by_engine(scratch_file("a.avi", film.data(), film.size())).rgb == rgb);
  const Seen astronaut = seen_by_engine(data_file("astronaut.png"));
  fail_unless_equals_int(astronaut.width, 512);
  fail_unless_equals_int(astronaut.height, 512);
}
GST_END_TEST

GST_START_TEST(too_large_a_picture_is_not_decoded) {
  // Beginnings of files, whose pixels are not there: who decoded them would find them broken.
  const std::string png = std::string("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x4e\x20\0\0\x4e\x20", 24) +
                          std::string("\x08\x02\0\0\0\x6c\x12\xd1\x6e", 9) +
                          std::string("\0\0\x40\0IDAT", 8) + std::string(5000, 'x');
  const std::string jpeg =
      std::string("\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0", 20) +
      std::string("\xff\xc0\0\x11\x08\x4e\x20\x4e\x20\x03\x01\x22\0\x02\x11\x01\x03\x11\x01", 19) +
      std::string("\xff\xda\0\x0c\x03\x01\0\x02\x11\x03\x11\0\x3f\0", 14) + std::string(5000, '\0');
  for (const std::string& file : {png, jpeg}) {
    GstElement* source = nullptr;
    GstElement* pipeline = make_pipeline(&source);
    g_object_set(source, "image", scratch_file("huge", file.data(), file.size()).c_str(), nullptr);
    Posted error;
    fail_unless_equals_int(play_to_end(pipeline, &error), GST_MESSAGE_ERROR);
    check_error(error, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, "20000x20000");
    fail_unless(error.text.find("scale it down") != std::string::npos);
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);
  }
}
GST_END_TEST

GST_START_TEST(what_is_no_picture_is_told) {
  const std::string png = encode(picture(3), "rgb", "pngenc");
  const std::string jpeg = encode(picture(3), "rgb", "videoconvert ! jpegenc");
  auto file = [](const char* name, const std::string& bytes) {
    return scratch_file(name, bytes.data(), bytes.size());
  };
  expect_error("/nonexistent/image.png", GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND);
  expect_error("nothing://image", GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_AUTHORIZED);
  expect_error("/", GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_READ);
  expect_error("/dev/zero", GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_READ);
  expect_error(file("empty.png", ""), GST_STREAM_ERROR, GST_STREAM_ERROR_WRONG_TYPE);
  expect_error(file("text.png", "hello, this is no image at all"), GST_STREAM_ERROR,
               GST_STREAM_ERROR_WRONG_TYPE);
  expect_error("data:nonsense", GST_STREAM_ERROR, GST_STREAM_ERROR_WRONG_TYPE);
  for (double part : {0.2, 0.5, 0.95}) {
    expect_error(
        file("cut.png", png.substr(0, static_cast<size_t>(static_cast<double>(png.size()) * part))),
        GST_STREAM_ERROR, GST_STREAM_ERROR_DECODE);
    expect_error(file("cut.jpg",
                      jpeg.substr(0, static_cast<size_t>(static_cast<double>(jpeg.size()) * part))),
                 GST_STREAM_ERROR, GST_STREAM_ERROR_DECODE);
  }
  const std::string page = "<!DOCTYPE html><html><body>404</body></html>";
  expect_error(file("page.png", page), GST_STREAM_ERROR, GST_STREAM_ERROR_WRONG_TYPE);
  std::string broken = png;
  broken.replace(broken.size() / 2, 8, "XXXXXXXX");
  expect_error(file("broken.png", broken), GST_STREAM_ERROR, GST_STREAM_ERROR_DECODE);
}
GST_END_TEST

/// The superuser may read every file, unless it gives up just that; it stays the
/// owner of its files, so that plugins can still be loaded.
static void give_up_reading_everything() {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct sets[2] = {};
  fail_unless(syscall(SYS_capget, &header, sets) == 0);
  sets[0].effective &= ~((1u << CAP_DAC_OVERRIDE) | (1u << CAP_DAC_READ_SEARCH));
  fail_unless(syscall(SYS_capset, &header, sets) == 0);
}

GST_START_TEST(what_may_not_be_read_is_told) {
  const std::string path = scratch_file("secret.png", "x", 1);
  g_chmod(path.c_str(), 0);
  give_up_reading_everything();
  expect_error(path, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_AUTHORIZED);
}
GST_END_TEST

OVI_TEST_MAIN(image, OVI_TEST(png_is_exact_and_alpha_is_ignored) OVI_TEST(jpeg_is_near_the_original)
                         OVI_TEST(all_orientations_are_put_right) OVI_TEST(uris_and_films_will_do)
                             OVI_TEST(too_large_a_picture_is_not_decoded)
                                 OVI_TEST(what_is_no_picture_is_told)
                                     OVI_TEST(what_may_not_be_read_is_told))
