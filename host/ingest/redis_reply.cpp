#include "host/ingest/redis_reply.hpp"

#include <new>
#include <vector>

#include "host/base/printable.hpp"

namespace broadcast {

namespace {

constexpr std::size_t kMaxErrorText = 200;

struct FreeCommand {
  void operator()(char* command) const { redisFreeCommand(command); }
};

}  // namespace

std::string RedisReader::feed(std::string_view bytes) {
  passed_.clear();
  const std::string_view wrong = bounds_.pass(bytes, passed_);
  if (!wrong.empty()) return std::string(wrong);
  if (redisReaderFeed(reader_.get(), passed_.data(), passed_.size()) != REDIS_OK) {
    return printable(reader_->errstr, kMaxErrorText);
  }
  return {};
}

RedisReplyPtr RedisReader::take() {
  void* reply = nullptr;
  if (redisReaderGetReply(reader_.get(), &reply) != REDIS_OK) {
    error_ = printable(reader_->errstr, kMaxErrorText);
    return nullptr;
  }
  return RedisReplyPtr(static_cast<redisReply*>(reply));
}

std::optional<std::string_view> text_of(const redisReply& reply) {
  if (reply.type != REDIS_REPLY_STRING && reply.type != REDIS_REPLY_STATUS) return std::nullopt;
  return std::string_view(reply.str, static_cast<std::size_t>(reply.len));
}

std::span<redisReply* const> list_of(const redisReply& reply) {
  if (reply.type != REDIS_REPLY_ARRAY) return {};
  return {reply.element, reply.elements};
}

std::string error_text(const redisReply& reply) {
  return printable({reply.str, static_cast<std::size_t>(reply.len)}, kMaxErrorText);
}

std::string redis_command(std::span<const std::string_view> words) {
  std::vector<const char*> texts;
  std::vector<std::size_t> sizes;
  for (const std::string_view word : words) {
    texts.push_back(word.data());
    sizes.push_back(word.size());
  }
  char* text = nullptr;
  const int size =
      redisFormatCommandArgv(&text, static_cast<int>(words.size()), texts.data(), sizes.data());
  if (size < 0) throw std::bad_alloc();
  const std::unique_ptr<char, FreeCommand> owned(text);
  return {text, static_cast<std::size_t>(size)};
}

}  // namespace broadcast
