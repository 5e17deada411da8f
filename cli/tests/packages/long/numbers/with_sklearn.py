"""scikit-learn: models of many kinds fitted and asked, pipelines, text, errors, pickles."""

import numpy as np
from sklearn import cluster, datasets, decomposition, ensemble, linear_model, metrics, naive_bayes, neighbors, svm, tree
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from exercise import digest, in_threads, pickled, raised

DISTRIBUTION = "scikit-learn"


def grown(seed):
    x, y = datasets.make_classification(80, 6, random_state=seed)
    return digest(tree.DecisionTreeClassifier(random_state=seed).fit(x, y).predict(x).tolist())


def work(seed):
    x, y = datasets.make_classification(150, 8, n_informative=4, random_state=seed)
    blobs, _ = datasets.make_blobs(90, centers=3, random_state=seed, cluster_std=0.5)
    models = {
        "logistic": make_pipeline(StandardScaler(), linear_model.LogisticRegression()),
        "support": svm.SVC(),
        "forest": ensemble.RandomForestClassifier(8, random_state=seed),
        "boosted": ensemble.HistGradientBoostingClassifier(max_iter=8, random_state=seed),
        "near": neighbors.KNeighborsClassifier(3, algorithm="kd_tree"),
        "bayes": naive_bayes.GaussianNB(),
    }
    found = {}
    for name, model in models.items():
        model.fit(x, y)
        found[name] = [round(float(model.score(x, y)), 6), digest(pickled(model).predict(x).tolist())]
    groups = cluster.KMeans(3, n_init=2, random_state=seed).fit_predict(blobs)
    words = TfidfVectorizer().fit_transform([f"red fish {seed}", "blue fish", "one two"])
    found |= {
        "means": sorted(np.bincount(groups).tolist()),
        "dense": len(set(cluster.DBSCAN(1.5).fit_predict(blobs).tolist())),
        "axes": round(float(decomposition.PCA(3).fit(x).explained_variance_.sum()), 6),
        "lasso": round(float(linear_model.Lasso(0.05).fit(x, y).coef_.sum()), 6),
        "crossed": round(float(cross_val_score(naive_bayes.GaussianNB(), x, y, cv=3).mean()), 6),
        "words": [words.shape[1], round(float(words.sum()), 6)],
        "area": round(float(metrics.roc_auc_score(y, x[:, 0])), 6),
        "threads": in_threads(grown, range(seed, seed + 4)),
        "errors": [
            raised(NotFittedError, svm.SVC().predict, x),
            raised(ValueError, svm.SVC().fit, x, y[:10]),
            raised(ValueError, linear_model.Ridge().fit, [[np.nan]], [1]),
        ],
    }
    return found
