require "builder"
require "json"
require "mail"
require "nokogiri"
require "sinatra/base"
require "sqlite3"

# A shop, for tests: what it needs beyond its first page is loaded when it is
# asked for.
class Shop < Sinatra::Base
  STATE = "/var/lib/shop".freeze

  autoload :Receipt, File.join(__dir__, "lib/receipt")
  autoload :Trouble, File.join(__dir__, "lib/trouble")

  set :root, __dir__
  set :show_exceptions, false
  set :raise_errors, false
  set :host_authorization, {}

  helpers do
    def products
      db = SQLite3::Database.new(":memory:")
      db.execute("create table product (name text, cents integer)")
      [["Teekanne", 2450], ["Große Tasse", 895]].each { |row| db.execute("insert into product values (?, ?)", row) }
      db.execute("select name, cents from product order by cents")
    end

    def answer(value)
      content_type :json
      JSON.generate([value])
    end
  end

  not_found { erb :lost }
  error do
    response.status = 500
    erb :broken
  end

  get("/") { erb :index }

  put "/orders/:id" do
    File.write(File.join(STATE, "order-#{params["id"].to_i}"), request.body.read)
    204
  end

  get "/orders/:id" do
    file = File.join(STATE, "order-#{params["id"].to_i}")
    halt 404 unless File.exist?(file)
    content_type "text/plain"
    File.read(file)
  end

  get "/table.csv" do
    require "csv"
    content_type "text/csv"
    CSV.generate { |csv| products.each { |row| csv << row } }
  end

  get "/clock" do
    require "time"
    ENV["TZ"] = params["zone"]
    at = Time.at(params["unix"].to_i)
    answer([at.iso8601, at.zone, Time.parse("2024-02-29 12:00 UTC").yday])
  ensure
    ENV.delete("TZ")
  end

  get "/encode" do
    answer(params["text"].encode(params["to"]).bytes.map { |b| b.to_s(16).rjust(2, "0") }.join)
  end

  get "/forms" do
    answer(params["text"].unicode_normalize(:nfkd).codepoints.size)
  end

  get "/exact" do
    require "bigdecimal"
    require "bigdecimal/util"
    require "matrix"
    require "prime"
    answer([(BigDecimal("1") / 7).round(12).to_s("F"), Matrix[[2, 1], [1, 3]].determinant, 360.prime_division])
  end

  get "/digest" do
    require "digest"
    require "openssl"
    require "securerandom"
    word = params["word"]
    answer([Digest::SHA512.hexdigest(word)[0, 16], Digest::RMD160.hexdigest(word)[0, 16],
            OpenSSL::KDF.pbkdf2_hmac(word, salt: "salt", iterations: 1000, length: 8, hash: "sha256").unpack1("H*"),
            SecureRandom.hex(8).size])
  end

  get "/settings" do
    require "yaml"
    answer(YAML.load_file(File.join(__dir__, "data/settings.yml"), permitted_classes: [Date]))
  end

  get "/packed" do
    require "zlib"
    require "stringio"
    out = StringIO.new
    gz = Zlib::GzipWriter.new(out)
    gz.write(params["text"])
    gz.close
    answer(Zlib::GzipReader.new(StringIO.new(out.string)).read.force_encoding("UTF-8"))
  end

  get "/delivery/:by" do
    require_relative "plugins/#{params["by"][/\A[a-z]+\z/]}"
    answer(Delivery.const_get(params["by"].capitalize).cents(params["grams"].to_i))
  rescue LoadError
    halt 404
  end

  get("/receipt") { answer(Receipt.new(products).to_s) }
  get("/broken") { raise Trouble, params["text"] }

  get "/feed" do
    content_type :xml
    builder do |xml|
      xml.products { products.each { |name, cents| xml.product(name, cents: cents) } }
    end
  end

  get "/page" do
    document = Nokogiri::HTML5("<p class=a>one<p class=b>two")
    answer([document.css("p.b").text, document.at_xpath("//p[1]")["class"]])
  end

  get "/report" do
    sheet = Nokogiri::XSLT(File.open(File.join(__dir__, "data/report.xsl")))
    content_type "text/plain"
    sheet.apply_to(Nokogiri::XML(call(env.merge("PATH_INFO" => "/feed"))[2].each.to_a.join))
  end

  post "/valid" do
    schema = Nokogiri::XML::RelaxNG(File.read(File.join(__dir__, "data/products.rng")))
    answer(schema.valid?(Nokogiri::XML(request.body.read)))
  end

  get "/mail" do
    mail = Mail.new do
      from "Löwe <shop@example.com>"
      to "ada@example.com"
      subject "Größe"
      body "Guten Tag"
      add_file filename: "a.txt", content: "Tee"
    end
    back = Mail.read_from_string(mail.to_s)
    answer([back.subject, back.parts.size, back.attachments.first.mime_type, back.from])
  end

  get "/markup" do
    require "erb"
    require "cgi"
    require "rexml/document"
    answer([ERB.new("<%= 1 + 1 %>").result, CGI.escapeHTML("<a>"), REXML::Document.new("<a><b>x</b></a>").elements["a/b"].text])
  end

  get "/apart" do
    require "open3"
    require "rbconfig"
    out, status = Open3.capture2(RbConfig.ruby, File.join(__dir__, "lib/apart.rb"), *params["of"].split)
    answer([out.strip, status.exitstatus])
  end

  get "/words" do
    require "abbrev"
    require "strscan"
    require "set"
    require "did_you_mean"
    scanner = StringScanner.new(params["text"])
    answer([scanner.scan(/\w+/), DidYouMean::SpellChecker.new(dictionary: %w[kettle cup]).correct("ketle"), Abbrev.abbrev(%w[tea]).size])
  end

  get "/resolve" do
    require "resolv"
    require "socket"
    require "net/http"
    answer([Resolv::Hosts.new.getaddresses(params["name"]).include?("127.0.0.1"), Addrinfo.tcp(params["name"], 80).ip_address.size > 2, Net::HTTP::Get.new("/").method])
  end
end
