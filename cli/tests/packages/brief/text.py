"""Text: encodings, distances, search, tokens, languages."""

from brief import briefly
from exercise import digest, pickled, raised


@briefly("charset-normalizer")
def charset_normalizer(seed):
    from charset_normalizer import from_bytes

    found = from_bytes(("Ein schöner Tag für alle Bären und Füchse. " * (seed + 2)).encode("cp1252")).best()
    return [digest(str(found)), found.language]


@briefly("chardet")
def chardet(seed):
    import chardet

    text = "Пример русского текста для проверки кодировки. " * (seed + 2)
    found = chardet.detect(text.encode("cp1251"))
    return [
        found["encoding"],
        chardet.detect(b"\xef\xbb\xbfabc")["encoding"],
        raised(TypeError, chardet.detect, "text"),
    ]


@briefly("faust-cchardet")
def cchardet(seed):
    import cchardet

    text = "Пример русского текста для проверки кодировки. " * (seed + 2)
    detector = cchardet.UniversalDetector()
    detector.feed(text.encode("cp1251"))
    detector.close()
    return [
        cchardet.detect(text.encode())["encoding"],
        detector.result["encoding"],
        raised(TypeError, cchardet.detect, 3),
    ]


@briefly("Levenshtein")
def levenshtein(seed):
    import Levenshtein

    return [
        Levenshtein.distance("interpreter", f"int{seed}erpeter"),
        Levenshtein.ratio("abc", "abd"),
        Levenshtein.editops("ab", "ba"),
        raised(TypeError, Levenshtein.distance, "a", 3),
    ]


@briefly("RapidFuzz")
def rapidfuzz(seed):
    from rapidfuzz import fuzz, process

    words = [f"word {i * seed % 13} number" for i in range(30)]
    return [
        process.extract(f"wrd {seed} number", words, limit=3, scorer=fuzz.WRatio),
        fuzz.token_sort_ratio("a b", "b a c"),
        raised(TypeError, fuzz.ratio, 1, 2),
    ]


@briefly("jellyfish")
def jellyfish(seed):
    import jellyfish

    word = f"interpreter{seed}"
    return [
        jellyfish.levenshtein_distance(word, "interpeter"),
        round(jellyfish.jaro_winkler_similarity(word, "inter"), 6),
        jellyfish.metaphone("Thompson"),
        jellyfish.soundex("Robert"),
        raised(TypeError, jellyfish.soundex, 3),
    ]


@briefly("editdistance")
def editdistance(seed):
    import editdistance

    words = [f"w{i * seed % 7}" for i in range(20)]
    return [
        editdistance.eval(words, words[::-1]),
        editdistance.eval("banana", "bahama"),
        raised(TypeError, editdistance.eval, 1, 2),
    ]


@briefly("editdistpy")
def editdistpy(seed):
    from editdistpy import damerau_osa, levenshtein

    return [
        levenshtein.distance(f"flaw{seed}", "lawn", 10),
        damerau_osa.distance(f"a{seed}bc", "acb", 10),
        raised(TypeError, levenshtein.distance, 1, 2, 3),
    ]


@briefly("pyxDamerauLevenshtein")
def pyxdameraulevenshtein(seed):
    from pyxdameraulevenshtein import damerau_levenshtein_distance, normalized_damerau_levenshtein_distance

    return [
        damerau_levenshtein_distance(f"smtih{seed}", "smith"),
        round(normalized_damerau_levenshtein_distance("smtih", f"smith{seed}"), 4),
        raised(TypeError, damerau_levenshtein_distance, 3, "a"),
    ]


@briefly("pyahocorasick")
def ahocorasick(seed):
    import ahocorasick

    made = ahocorasick.Automaton()
    for i, word in enumerate(["he", "she", "his", "hers", f"n{seed}"]):
        made.add_word(word, (i, word))
    made.make_automaton()
    found = [[end, list(value)] for end, value in made.iter(f"ushers n{seed} his")]
    return [found, sorted(pickled(made).keys()), raised(KeyError, made.get, "none")]


@briefly("ahocorasick-rs")
def ahocorasick_rs(seed):
    import ahocorasick_rs

    made = ahocorasick_rs.AhoCorasick(["he", "she", "hers", f"n{seed}"])
    return [
        made.find_matches_as_indexes(f"ushers n{seed}", overlapping=True),
        made.find_matches_as_strings("she he"),
        raised(TypeError, ahocorasick_rs.AhoCorasick, [1, 2]),
    ]


@briefly("marisa-trie")
def marisa_trie(seed):
    import marisa_trie

    trie = marisa_trie.Trie([f"key{i * (seed + 1) % 40}" for i in range(40)])
    records = marisa_trie.RecordTrie("<HH", [("a", (1, seed)), ("b", (2, 3))])
    return [
        sorted(trie.keys("key1")),
        pickled(trie).get("key0") == trie.get("key0"),
        records["a"],
        raised(KeyError, lambda: trie["none"]),
    ]


@briefly("python-crfsuite")
def pycrfsuite(seed):
    import os
    import tempfile

    import pycrfsuite

    trainer = pycrfsuite.Trainer(verbose=False)
    for i in range(5):
        trainer.append([["walk", "shop"], ["clean"], [f"x{i * seed % 3}"]], ["sunny", "rainy", "sunny"])
    trainer.set_params({"max_iterations": 20})
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model")
        trainer.train(path)
        tagger = pycrfsuite.Tagger()
        tagger.open(path)
        found = tagger.tag([["walk"], ["clean"], ["x0"]])
        tagger.close()
        return [
            found,
            raised(ValueError, trainer.select, "none")[:20],
            raised(Exception, tagger.open, path + "none")[:10],
        ]


@briefly("opencc")
def opencc(seed):
    import opencc

    made = opencc.OpenCC("s2t")
    return [made.convert("汉字转换" * (seed + 1)), raised(Exception, opencc.OpenCC, "none")[:10]]


@briefly("python-bidi")
def bidi(seed):
    from bidi import get_display

    return [
        get_display(f"שלום {seed} abc"),
        get_display("abc (עברית) 12", base_dir="R"),
        raised(TypeError, get_display, 3),
    ]


@briefly("PyStemmer")
def stemmer(seed):
    import Stemmer

    made = Stemmer.Stemmer("english")
    words = ["running", "cycling", "cyclist", f"jumped{seed}", "arguments"]
    return [
        made.stemWords(words),
        Stemmer.Stemmer("german").stemWord("häuser"),
        raised(KeyError, Stemmer.Stemmer, "none"),
    ]


@briefly("tiktoken")
def tiktoken(seed):
    from tiktoken import Encoding

    ranks = {bytes([i]): i for i in range(256)} | {b"ab": 256, b"abc": 257}
    made = Encoding("small", pat_str=r"\w+|\W+", mergeable_ranks=ranks, special_tokens={"<end>": 300})
    tokens = made.encode(f"abc ab {seed} é<end>", allowed_special="all")
    return [tokens, made.decode(tokens), raised(ValueError, made.encode, "<end>")[:20]]


@briefly("tokenizers")
def tokenizers(seed):
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE(unk_token="?"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.train_from_iterator(
        [f"low lower lowest {seed}"] * 20, trainers.BpeTrainer(vocab_size=40, special_tokens=["?"], show_progress=False)
    )
    found = made.encode(f"lower {seed} x")
    assert pickled(made).encode("low").ids == made.encode("low").ids
    return [found.tokens, raised(Exception, Tokenizer.from_str, "{")[:20]]


@briefly("sentencepiece")
def sentencepiece(seed):
    import io

    import sentencepiece

    lines = [f"the quick brown fox {i} jumps over the lazy dog {i * 7 % 13}" for i in range(200)]
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=model, vocab_size=60, num_threads=1, minloglevel=5
    )
    made = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    return [
        made.encode(f"the lazy fox {seed}", out_type=str),
        made.decode(made.encode("brown dog")),
        made.get_piece_size(),
        raised(IndexError, made.id_to_piece, 9999),
    ]


@briefly("google-re2")
def re2(seed):
    import re2

    found = re2.findall(r"(\w+)=(\d+)", f"a=1 b={seed} c=x")
    return [found, re2.sub("[aeiou]", "_", f"interpreter {seed}"), raised(re2.error, re2.compile, "(")]


@briefly("pycld2")
def pycld2(seed):
    import pycld2

    text = "Dies ist ein einfacher deutscher Text über das Wetter und die Berge. " * (seed + 2)
    return [str(pycld2.detect(text)[2][0]), raised(pycld2.error, pycld2.detect, b"\xff\xfe\xfd")[:12]]


@briefly("cwcwidth")
def cwcwidth(seed):
    import cwcwidth

    return [cwcwidth.wcswidth("コンニチハ" * seed), cwcwidth.wcwidth("é"), raised(TypeError, cwcwidth.wcwidth, 3.5)]


@briefly("MarkupSafe")
def markupsafe(seed):
    from markupsafe import Markup, escape

    return [str(escape(f"<a href='{seed}'>&")), str(Markup("<b>%s</b>") % "<i>"), str(pickled(Markup("<b>")))]


@briefly("stringzilla")
def stringzilla(seed):
    import stringzilla as sz

    text = sz.Str(f"a needle {seed} in a haystack of needles " * 20)
    return [
        text.find("needles"),
        text.count("needle"),
        [str(part) for part in sz.Str("a,b,c").split(",")],
        raised(TypeError, text.find, 3),
    ]


@briefly("gensim")
def gensim(seed):
    from gensim.corpora import Dictionary
    from gensim.models import Word2Vec
    from gensim.models.word2vec import FAST_VERSION

    texts = [[f"w{i * j % 11}" for j in range(8)] for i in range(seed + 1, seed + 30)]
    made = Word2Vec(texts, vector_size=12, min_count=1, workers=1, seed=1, epochs=2)
    table = Dictionary(texts)
    return [
        FAST_VERSION >= 0,
        len(made.wv),
        sorted(table.doc2bow(["w1", "w2", "w1"])),
        raised(KeyError, lambda: made.wv["none"]),
    ]


@briefly("spacy")
def spacy(seed):
    import spacy

    made = spacy.blank("en")
    made.add_pipe("sentencizer")
    ruler = made.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "ORG", "pattern": "Apple"}])
    text = made(f"Apple isn't buying {seed} firms. It said so.")
    back = spacy.tokens.Doc(made.vocab).from_bytes(text.to_bytes())
    return [
        [token.text for token in back],
        [[part.text, part.label_] for part in text.ents],
        len(list(text.sents)),
        raised(IndexError, lambda: text[99]),
    ]


@briefly("thinc")
def thinc(seed):
    import numpy as np
    from thinc.api import NumpyOps, Relu, Softmax, chain

    model = chain(Relu(4), Softmax(3))
    x = (np.arange(24).reshape(6, 4) * (seed + 1) % 7).astype("float32")
    model.initialize(X=x, Y=np.eye(6, 3, dtype="float32"))
    y = model.predict(x)
    hashed = NumpyOps().hash(np.arange(5, dtype="uint64"), seed)
    return [
        list(y.shape),
        round(float(y.sum()), 3),
        digest(hashed.tobytes()),
        raised(TypeError, NumpyOps().maxout, x),
    ]


@briefly("srsly")
def srsly(seed):
    import srsly

    value = {"a": [seed, 1.5, None, "é"], "b": {"deep": [True] * 5}}
    assert srsly.msgpack_loads(srsly.msgpack_dumps(value)) == value
    return [srsly.json_dumps(value), srsly.yaml_dumps(value), raised(ValueError, srsly.json_loads, "[1,")]


@briefly("preshed", "cymem", "murmurhash")
def preshed(seed):
    from preshed.counter import PreshCounter
    from preshed.maps import PreshMap

    table, counter = PreshMap(), PreshCounter()
    for i in range(200):
        table[i * 7 + seed + 1] = i
        counter.inc(i % 5 + 1, seed + 1)
    return [
        len(table),
        table[8 + seed],
        counter.total,
        sum(dict(table.items()).values()),
        raised(TypeError, lambda: table["a"]),
    ]


@briefly("murmurhash")
def murmurhash(seed):
    from murmurhash import mrmr

    return [mrmr.hash(f"text{seed}", seed), mrmr.hash(b"abc"), raised(TypeError, mrmr.hash)]


@briefly("cymem")
def cymem(seed):
    from cymem.cymem import Address, Pool

    pool = Pool()
    kept = [Address(seed + 1, 8) for _ in range(20)]
    return [pool.size, len({item.addr for item in kept}), raised(TypeError, Address, "a", 1)]


@briefly("blis", "numpy")
def blis(seed):
    import numpy as np
    from blis.py import gemm

    a = np.arange(36.0).reshape(6, 6) * (seed + 1)
    return [
        round(float(gemm(a, a, trans2=True).sum()), 3),
        bool(np.allclose(gemm(a, a), a @ a)),
        raised(TypeError, gemm, a[0], a),
    ]
