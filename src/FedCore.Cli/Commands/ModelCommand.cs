using System.CommandLine;
using System.Security.Cryptography;
using System.Text.Json;
using FedCore.Cli.Display;
using FedCore.Cli.Service;
using FedCore.Protocol.Transfers;
using FedCore.Protocol.V1;
using Google.Protobuf;
using Grpc.Core;

namespace FedCore.Cli.Commands;

/// <summary><c>fedcore model</c>: the models of a run.</summary>
internal static class ModelCommand
{
    public static Command Create(TextWriter output)
    {
        var run = new Argument<string>("RUN") { Description = "The run's name." };
        AdminConnection.Options listing = AdminConnection.Options.New();
        var list = new ExampleCommand("list", "Lists the models of a run that are kept.", "fedcore model list heart") { run };
        listing.AddTo(list);
        list.SetAction(async (parsed, ct) =>
        {
            using AdminConnection connection = listing.Connect(parsed);
            IReadOnlyList<StoredModel> models = await ModelsAsync(connection, parsed.GetValue(run)!, ct);
            if (parsed.GetValue(listing.Json))
                foreach (StoredModel model in models) await output.WriteLineAsync(JsonSerializer.Serialize(new { round = model.Round, digest = DigestOf(model.Model), bytes = model.Model.Length }));
            else
                TextTable.Write(output, ["round", "bytes", "digest"], models.Select(model => (string[])[$"{model.Round}", $"{model.Model.Length:N0}", DigestOf(model.Model)]), "There are no models yet.");
            return 0;
        });

        AdminConnection.Options getting = AdminConnection.Options.New();
        var file = new Option<string>("--out") { Description = "The file to write, in the safetensors format.", HelpName = "FILE", DefaultValueFactory = _ => "model.safetensors" };
        var round = NumberOption.Create<int>("--round", "The round behind which the model stands; otherwise the newest.");
        var get = new ExampleCommand("get", "Fetches a model.", "fedcore model get heart --out heart.safetensors") { run, file, round };
        getting.AddTo(get);
        get.SetAction(async (parsed, ct) =>
        {
            string path = parsed.GetValue(file)!;
            if (Directory.Exists(path)) throw FedCoreException.Configuration("model.out", $"--out is {Shown.Of(path, 400)}, which is a folder. Name the file to write.");
            using AdminConnection connection = getting.Connect(parsed);
            IReadOnlyList<StoredModel> models = await ModelsAsync(connection, parsed.GetValue(run)!, ct);
            StoredModel model = (parsed.GetValue(round) is { } number ? models.FirstOrDefault(model => model.Round == number) : models is [.., var newest] ? newest : null) ?? throw FedCoreException.Configuration(
                "model.unknown", models.Count == 0 ? $"The run {parsed.GetValue(run)} has no models yet." : $"There is no model behind that round. There are: {string.Join(", ", models.Select(m => m.Round))}.");
            await GetAsync(connection, model.Model, path, ct);
            await output.WriteLineAsync(parsed.GetValue(getting.Json)
                ? JsonSerializer.Serialize(new { round = model.Round, digest = DigestOf(model.Model), bytes = model.Model.Length, path })
                : $"{path}: the model behind round {model.Round}, {model.Model.Length:N0} bytes, {DigestOf(model.Model)}");
            return 0;
        });
        return new Command("model", "The models of a run.") { list, get };
    }

    /// <summary>A blob's digest as text.</summary>
    public static string DigestOf(Blob blob) => "sha256:" + Convert.ToHexStringLower(blob.Digest.Span);

    /// <summary>Fetches a model into a file: beside its place first, so that nobody takes half a model for a whole one.</summary>
    public static async Task GetAsync(AdminConnection connection, Blob blob, string path, CancellationToken ct)
    {
        string partial = path + ".partial";
        try
        {
            if (!(await FetchAsync(connection, blob, partial, ct)).Equals(blob.Digest)) throw new FedCoreException(FaultKind.Unreachable, "model.digest", "What came is not the model of that digest. Fetch it again.");
            File.Move(partial, path, overwrite: true);
        }
        catch
        {
            File.Delete(partial);
            throw;
        }
    }

    private static Task<ByteString> FetchAsync(AdminConnection connection, Blob blob, string path, CancellationToken ct) => connection.CallAsync(
        async c =>
        {
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            await using FileStream file = File.Create(path);
            using AsyncServerStreamingCall<Chunk> call = c.Blobs.Download(new DownloadRequest { Digest = blob.Digest }, new CallOptions(cancellationToken: ct));
            while (await call.ResponseStream.MoveNext(ct))
            {
                foreach (ReadOnlyMemory<byte> part in call.ResponseStream.Current.Data)
                {
                    hash.AppendData(part.Span);
                    await file.WriteAsync(part, ct);
                }
            }

            return ByteString.CopyFrom(hash.GetHashAndReset());
        },
        ct);

    private static async Task<IReadOnlyList<StoredModel>> ModelsAsync(AdminConnection connection, string run, CancellationToken ct) =>
        (await connection.CallAsync(c => c.Admin.ListModelsAsync(new RunRequest { RunId = run }, cancellationToken: ct).ResponseAsync, ct)).Models;
}
