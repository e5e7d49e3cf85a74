package grpcapi

import (
	"context"

	storagev1 "github.com/primecloud/primecloud/proto/gen/primecloud/storage/v1"
	"github.com/primecloud/primecloud/services/storage-provisioning/internal/favourite"
)

type favourites struct {
	storagev1.UnimplementedFavouriteServiceServer
	use *favourite.Service
}

func (s *favourites) AddFavourite(ctx context.Context, r *storagev1.AddFavouriteRequest) (*storagev1.AddFavouriteResponse, error) {
	f, err := s.use.Add(ctx, favourite.Place{AccountID: r.GetAccountId(), Bucket: r.GetBucket(), Path: r.GetPath()})
	if err != nil {
		return nil, err
	}
	return &storagev1.AddFavouriteResponse{Favourite: favouriteOut(f)}, nil
}

func (s *favourites) RemoveFavourite(ctx context.Context, r *storagev1.RemoveFavouriteRequest) (*storagev1.RemoveFavouriteResponse, error) {
	err := s.use.Remove(ctx, favourite.Place{AccountID: r.GetAccountId(), Bucket: r.GetBucket(), Path: r.GetPath()})
	if err != nil {
		return nil, err
	}
	return &storagev1.RemoveFavouriteResponse{}, nil
}

func (s *favourites) ListFavourites(ctx context.Context, r *storagev1.ListFavouritesRequest) (*storagev1.ListFavouritesResponse, error) {
	list, next, err := s.use.List(ctx, r.GetAccountId(), r.GetPageSize(), r.GetPageToken())
	if err != nil {
		return nil, err
	}
	return &storagev1.ListFavouritesResponse{Favourites: all(list, favouriteOut), NextPageToken: next}, nil
}

func favouriteOut(f favourite.Favourite) *storagev1.Favourite {
	return &storagev1.Favourite{Id: f.ID, Bucket: f.Bucket, Path: f.Path, CreateTime: stamp(f.CreatedAt)}
}
