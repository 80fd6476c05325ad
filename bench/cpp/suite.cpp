#include "suite.hpp"

#include <stdexcept>

#include "report.hpp"
#include "wpg/base/parallel.hpp"

namespace wpg::bench {
namespace {

Measured measure_case(const Case& chosen, const Protocol& protocol) {
  const Ready ready = chosen.prepare();
  ready.call();
  const Answer answer = ready.check();
  if (!(answer.error <= answer.allowed)) {
    throw std::runtime_error(chosen.name + " gives a wrong answer: its error is " +
                             std::to_string(answer.error) + ", allowed is " +
                             std::to_string(answer.allowed) + "; it was not timed");
  }
  return {chosen.name, ready.work, measure(protocol, ready.call)};
}

/// For one run; afterwards as before.
class Threads {
 public:
  explicit Threads(int threads) : before_(get_num_threads()) { set_num_threads(threads); }
  ~Threads() { set_num_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

}  // namespace

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const Case& each : all_cases()) all.push_back(each.name);
  return all;
}

std::string run(const Options& options, const std::function<void(const std::string&)>& say) {
  require_protocol(options.protocol);
  const Threads threads(options.threads);
  Cases chosen;
  std::string list;
  for (const Case& each : all_cases()) {
    list += (list.empty() ? "" : ", ") + each.name;
    if (each.name.find(options.filter) != std::string::npos) chosen.push_back(each);
  }
  if (chosen.empty()) {
    throw std::invalid_argument("no case has '" + options.filter + "' in its name; there are " +
                                list);
  }
  Context context = context_of_this_machine();
  context.ceilings = measure_ceilings(options.protocol);
  say(table_head(context));
  std::vector<Measured> all;
  for (const Case& each : chosen) {
    all.push_back(measure_case(each, options.protocol));
    say(table_row(all.back(), context));
  }
  return json(all, context);
}

}  // namespace wpg::bench
