// SPDX-License-Identifier: Apache-2.0
#include "parallel/rendezvous.h"

#include <unistd.h>

#include <charconv>
#include <nlohmann/json.hpp>
#include <string_view>
#include <thread>
#include <vector>

#include "parallel/own_network.h"
#include "runtime/decimal.h"
#include "runtime/error.h"

namespace ovi::parallel {
namespace {

using Json = nlohmann::json;
using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::milliseconds;

// Changes with what ranks say to each other.
constexpr int kProtocol = 2;
constexpr uint16_t kPort = 29500;  // torch.distributed's own
constexpr int64_t kMostRanks = 1024;
constexpr Milliseconds kPoll(20);
constexpr const char* kAllCame = "came";

[[noreturn]] void no_sense(const std::string& name, const std::string& value) {
  throw Error(ErrorKind::kSettings, name + "=" + value +
                                        " makes no sense for a rank. Start all ranks with one "
                                        "launcher (torchrun, mpirun, srun), or set the variable.");
}

std::optional<int64_t> number_in(const Environment& environment, const char* name, int64_t most,
                                 int64_t least = 0) {
  const char* text = environment(name);
  if (!text || !*text) return std::nullopt;
  const std::string_view value = text;
  int64_t number = -1;
  const auto [end, wrong] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (wrong != std::errc() || end != value.data() + value.size() || number < least || number > most)
    no_sense(name, text);
  return number;
}

std::string text_in(const Environment& environment, const char* name) {
  const char* text = environment(name);
  return text ? text : "";
}

struct Launcher {
  const char *name, *rank, *size, *local_rank;
};
constexpr Launcher kLaunchers[] = {
    {"torchrun", "RANK", "WORLD_SIZE", "LOCAL_RANK"},
    {"mpirun", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"},
    {"mpirun", "PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID"},
    {"Slurm", "SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID"},
};

// "gpu[03-05,9],login": "gpu03".
std::string first_host(const std::string& list) {
  const size_t bracket = list.find('['), comma = list.find(',');
  if (bracket == std::string::npos || comma < bracket) return list.substr(0, comma);
  const size_t end = list.find_first_of(",-]", bracket);
  if (end == std::string::npos) return "";
  return list.substr(0, bracket) + list.substr(bracket + 1, end - bracket - 1);
}

bool is_loopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host.rfind("127.", 0) == 0;
}

std::string key_of(int64_t rank) { return "hello/" + std::to_string(rank); }

std::string hello_of(const Introduction& own, int64_t size) {
  return Json{{"protocol", kProtocol},
              {"size", size},
              {"release", own.release},
              {"device", own.device},
              {"host", host_name()},
              {"process", getpid()}}
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

struct Hello {
  int protocol = 0, size = 0;
  std::string release, name;
};

Hello read_hello(int64_t rank, const std::string& text) {
  const Json said = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  Hello hello;
  hello.name = "Rank " + std::to_string(rank);
  if (!said.is_object()) return hello;
  const auto words = [&](const char* name) {
    const auto found = said.find(name);
    return found != said.end() && found->is_string() ? found->get<std::string>() : std::string("?");
  };
  const auto whole = [&](const char* name) {
    const auto found = said.find(name);
    return found != said.end() && found->is_number_integer() ? found->get<int>() : 0;
  };
  hello.protocol = whole("protocol");
  hello.size = whole("size");
  hello.release = words("release");
  hello.name += " (" + words("device") + " of " + words("host") + ", process " +
                std::to_string(whole("process")) + ")";
  return hello;
}

std::shared_ptr<Store> store_of(const Place& place, const Patience& patience,
                                const Cancel* cancel) {
  uint16_t port = place.port;
  return place.rank == 0 && !place.store_is_there
             ? serve_store(port)
             : reach_store(place.host, port, patience.join, cancel);
}

// As rank 0: all others' names, or who is missing.
std::vector<std::string> wait_for_all(Agreement& agreement, const Place& place,
                                      const Introduction& own, const Patience& patience,
                                      const Cancel* cancel) {
  Store& store = *agreement.store();
  const auto end = Clock::now() + patience.join;
  std::vector<std::string> names;
  std::string missing;
  for (int64_t rank = 0; rank < place.size; ++rank) {
    std::optional<std::string> said;
    while (!(said = store.look(key_of(rank))) && Clock::now() < end) {
      if (cancel) cancel->check();
      agreement.check();  // one of them may say that it cannot come
      std::this_thread::sleep_for(kPoll);
    }
    if (!said) {
      missing += (missing.empty() ? "" : ", ") + std::to_string(rank);
      continue;
    }
    const Hello hello = read_hello(rank, *said);
    if (hello.protocol != kProtocol || hello.release != own.release) {
      throw Error(ErrorKind::kLibraryInit, hello.name + " is of release " + hello.release +
                                               ", and rank 0 of " + own.release +
                                               ". Install the same one on all machines.");
    }
    if (hello.size != place.size) {
      throw Error(ErrorKind::kSettings,
                  hello.name + " was started as one of " + std::to_string(hello.size) +
                      ", and rank 0 as one of " + std::to_string(place.size) +
                      ". Give all the same WORLD_SIZE, as one launcher does.");
    }
    names.push_back(hello.name);
  }
  if (missing.empty()) return names;
  const bool one = missing.find(',') == std::string::npos;
  const std::string late = (one ? "Rank " : "Ranks ") + missing + " of " +
                           std::to_string(place.size) + (one ? " has" : " have") +
                           " not come within " + whole_seconds(patience.join) + ".";
  if (!place.store_is_there && is_elsewhere(place.host)) {
    throw Error(ErrorKind::kRankGone,
                late + " They look for rank 0 at MASTER_ADDR=" + place.host +
                    ", which is no address of this machine (" + host_name() +
                    "), where it runs. Set it to one, for all ranks.");
  }
  throw Error(ErrorKind::kRankGone,
              late + " See why in what " + (one ? "it says" : "they say") +
                  " (ovii2v-worker --join), or give more time: OVI_RANKS_PATIENCE=SECONDS.");
}

std::vector<std::string> wait_for_names(Agreement& agreement, const Patience& patience,
                                        const Cancel* cancel) {
  const auto end = Clock::now() + patience.join + Milliseconds(2000);
  while (Clock::now() < end) {
    if (cancel) cancel->check();
    agreement.check();
    if (const auto names = agreement.store()->look(kAllCame)) {
      const Json all = Json::parse(*names, nullptr, /*allow_exceptions=*/false);
      std::vector<std::string> read;
      for (const Json& one : all.is_array() ? all : Json::array())
        read.push_back(one.is_string() ? one.get<std::string>() : "Rank ?");
      if (static_cast<int64_t>(read.size()) == agreement.size()) return read;
    }
    agreement.wait(kPoll);
  }
  throw Error(ErrorKind::kRankGone,
              "Rank 0 has not begun within " + whole_seconds(patience.join) +
                  ". Start it, the element with devices=ranks, or give it more time: "
                  "OVI_RANKS_PATIENCE=SECONDS.");
}

}  // namespace

std::optional<Place> place_in(const Environment& environment) {
  std::string halved;
  for (const Launcher& launcher : kLaunchers) {
    const auto rank = number_in(environment, launcher.rank, kMostRanks - 1);
    const auto size = number_in(environment, launcher.size, kMostRanks);
    if (!rank != !size && halved.empty())
      halved = std::string(rank ? launcher.rank : launcher.size) + " is set, and " +
               (rank ? launcher.size : launcher.rank) + " is not";
    if (!rank || !size) continue;
    if (*size == 0) no_sense(launcher.size, "0");
    if (*rank >= *size) no_sense(launcher.rank, std::to_string(*rank));
    Place place;
    place.launcher = launcher.name;
    place.rank = *rank;
    place.size = *size;
    place.local_rank = number_in(environment, launcher.local_rank, kMostRanks - 1).value_or(0);
    place.store_is_there = text_in(environment, "TORCHELASTIC_USE_AGENT_STORE") == "True";
    place.port =
        static_cast<uint16_t>(number_in(environment, "MASTER_PORT", UINT16_MAX, 1).value_or(kPort));
    place.host = text_in(environment, "MASTER_ADDR");
    if (!place.host.empty()) return place;
    const auto here = number_in(environment, "OMPI_COMM_WORLD_LOCAL_SIZE", kMostRanks);
    const auto machines = number_in(environment, "SLURM_NNODES", 1'000'000);
    if (here == place.size || machines == 1) {
      place.host = "127.0.0.1";
    } else if (place.launcher == "Slurm") {
      place.host = first_host(text_in(environment, "SLURM_STEP_NODELIST"));
      if (place.host.empty()) place.host = first_host(text_in(environment, "SLURM_JOB_NODELIST"));
    }
    if (place.host.empty()) {
      throw Error(ErrorKind::kSettings,
                  "Where rank 0 is, " + place.launcher +
                      " does not say. Set MASTER_ADDR to the name of its machine, for all ranks.");
    }
    return place;
  }
  if (halved.empty()) return std::nullopt;
  throw Error(ErrorKind::kSettings, halved + ", so that it is not known which rank this process is. "
                                             "Start all ranks with one launcher (torchrun, mpirun, "
                                             "srun), or set both.");
}

Patience patience_in(const Environment& environment) {
  Patience patience;
  if (const auto wished = number_in(environment, "OVI_RANKS_PATIENCE", 86400))
    patience.join = std::chrono::seconds(*wished);
  return patience;
}

std::string own_address(const Place& place) {
  return is_loopback(place.host) ? "127.0.0.1" : own_address_towards(place.host, place.port);
}

void check_network(const Environment& environment) {
  constexpr const char* kGloo = "GLOO_SOCKET_IFNAME";
  if (const std::string interface = text_in(environment, kGloo); !interface.empty())
    check_interface(kGloo, interface);
}

std::shared_ptr<Agreement> meet(const Place& place, const Introduction& own, Patience patience,
                                const Cancel* cancel) {
  const std::shared_ptr<Store> store = store_of(place, patience, cancel);
  const std::string hello = hello_of(own, place.size);
  const std::string said = store->settle(key_of(place.rank), hello);
  if (said != hello) {
    throw Error(ErrorKind::kSettings, read_hello(place.rank, said).name +
                                          " is there already. Start each rank once, or set "
                                          "MASTER_PORT to another one, for all ranks.");
  }
  auto agreement = std::make_shared<Agreement>(store, place.rank, place.size, patience);
  if (place.rank > 0) {
    agreement->all_came(wait_for_names(*agreement, patience, cancel));
    return agreement;
  }
  try {
    std::vector<std::string> names = wait_for_all(*agreement, place, own, patience, cancel);
    store->set(kAllCame, Json(names).dump(-1, ' ', false, Json::error_handler_t::replace));
    agreement->all_came(std::move(names));
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kCancelled) agreement->give_up(error);
    throw;
  }
  return agreement;
}

void excuse(const Place& place, const Error& why, Patience patience) {
  try {
    const std::string name = "Rank " + std::to_string(place.rank) + " (" + host_name() +
                             ", process " + std::to_string(getpid()) + ")";
    Agreement(store_of(place, patience, nullptr), place.rank, place.size, patience)
        .give_up(Error(why.kind(), name + ": " + why.what(), why.detail()));
  } catch (const Error&) {
    // Rank 0 is not there, and will miss this one.
  }
}

}  // namespace ovi::parallel
